"""Faults planted in the product, in commits, digests and limits, to see that the harness notices them."""

import asyncio
from contextlib import suppress
from typing import Any

from tests.chaos import held
from tests.chaos.environment import ChaosEnvironment

_KILLS = 3
_COMMITS = 4
_ENOUGH = 35
"""Of fifty later events. Once so many are settled, no earlier one still comes; a partition may lose its first."""


async def commit_one_too_far(environment: ChaosEnvironment) -> None:
    """Commit one unfinished record, and kill the worker after it: that record is lost."""
    async with environment.continuous_load(40):
        for _ in range(_KILLS):
            worker = environment.pipeline.start_worker(
                module="tests.chaos.worker",
                TOCSIN_CHAOS_PLANT="commit one too far",
                TOCSIN_FAULT_AT=f"after_commit:{_COMMITS}",
            )
            await asyncio.to_thread(worker.wait, 240)
            await environment.count_claims()
    environment.pipeline.workers.clear()
    environment.pipeline.start_worker()
    later = [environment.expected_event() for _ in range(50)]
    await environment.publish(later)
    await environment.wait_until_some_settled([event["id"] for event in later], _ENOUGH, 240)


async def items_unclaimed(environment: ChaosEnvironment) -> None:
    """Send digests with items that were withdrawn before the claim."""
    await held.withdrawn_while_closing(environment, **_planted("items unclaimed"))


async def window_unsealed(environment: ChaosEnvironment) -> None:
    """Put items into windows whose digests are being sent."""
    await held.digests_with_later_items(environment, **_planted("window unsealed"))


async def limit_ignored(environment: ChaosEnvironment) -> None:
    """Send every third message that is over a limit."""
    with suppress(AssertionError):  # what was sent keeps its place among those that wait
        await held.limits(environment, settle_s=5, **_planted("limit ignored"))


def _planted(name: str) -> dict[str, Any]:
    return {"module": "tests.chaos.worker", "TOCSIN_CHAOS_PLANT": name}
