"""Thousands of events in hourly digests, while workers are killed again and again: each item is in exactly one."""

import asyncio
from collections import Counter
from typing import Any

from service.model.holds.calendar import Frequency
from service.model.ids import event_of_delivery
from service.model.ledger import State
from tests.chaos.environment import ChaosEnvironment, deliveries_in
from tests.chaos.fork_server import ForkedWorker, WorkerForkServer
from tests.chaos.held import set_frequency
from tests.chaos.scenario import Act
from tests.support.wait import eventually

_STAGES = ("resolve,inbox", "email,schedule", "resolve,inbox,email,schedule")
_SETTLE_S = 300
_BATCH, _CHUNK = 20, 100


def hourly_digests(events: int, recipients: int, rate_per_s: float, kill_every_s: float) -> Act:
    """Return an act that publishes events for recipients in turn, all of whom have hourly digests.

    Then they choose to have mail at once, which makes their windows due. A worker is killed every few seconds until no
    window is left, also while windows close.
    """

    async def act(environment: ChaosEnvironment) -> None:
        environment.recipients = [f"h{n}" for n in range(recipients)]
        await set_frequency(environment, environment.recipients, Frequency.hourly)
        async with WorkerForkServer(environment.pipeline) as server:
            workers = [await server.fork(names) for names in _STAGES]
            over = asyncio.Event()
            killing = asyncio.create_task(_kill_until(over, environment, server, workers, kill_every_s))
            try:
                await _publish(environment, events, rate_per_s)
                await _wait_until_held(environment)
                await set_frequency(environment, environment.recipients, Frequency.instant)
                most = len(environment.recipients) * 9 // 10
                await eventually(lambda: environment.mail_count() >= most, _SETTLE_S)
            finally:
                over.set()
            kills = await killing
            environment.end_fault()
            await environment.wait_until_settled(environment.published, _SETTLE_S)
        await _check_digests(environment)
        sizes = Counter(len(deliveries_in(mail)) for mail in environment.mails())
        environment.note = f"{kills} kills; {sizes.total()} messages of up to {max(sizes)} items"

    return act


async def _publish(environment: ChaosEnvironment, events: int, rate_per_s: float) -> None:
    """Publish at a rate, so that each recipient gets the same number of events."""
    loop, names = asyncio.get_running_loop(), environment.recipients
    started = loop.time()
    for first in range(0, events, _BATCH):
        batch: list[dict[str, Any]] = [
            environment.expected_event(recipients=[names[n % len(names)]])
            for n in range(first, min(first + _BATCH, events))
        ]
        await environment.publish(batch)
        await asyncio.sleep(max(0.0, started + (first + len(batch)) / rate_per_s - loop.time()))


async def _wait_until_held(environment: ChaosEnvironment) -> None:
    """Wait until all items are in windows; those whose hour was over meanwhile have been sent."""
    pending = list(environment.published)

    async def held() -> bool:
        while pending:
            entries = await environment.mail_entries(pending[:_CHUNK])
            if len(entries) < len(pending[:_CHUNK]) or any(e.state is State.queued for e in entries):
                return False
            del pending[:_CHUNK]
        return True

    await eventually(held, _SETTLE_S, lambda: f"{len(pending)} events are not in windows")


async def _check_digests(environment: ChaosEnvironment) -> None:
    """Check that the ledger has each item in a digest."""
    entries = await environment.mail_entries()
    alone = [entry for entry in entries if event_of_delivery(entry.delivery) == entry.event]
    assert not alone, f"{len(alone)} items were sent alone"


async def _kill_until(
    over: asyncio.Event,
    environment: ChaosEnvironment,
    server: WorkerForkServer,
    workers: list[ForkedWorker],
    every_s: float,
) -> int:
    """Kill a random worker and start another in its place, again and again; return how often."""
    kills = 0
    while not over.is_set():
        await asyncio.sleep(environment.rng.uniform(0.5, 1.5) * every_s)
        index = environment.rng.randrange(len(workers))
        await environment.kill(workers[index])
        workers[index] = await server.fork(_STAGES[index])
        kills += 1
    return kills
