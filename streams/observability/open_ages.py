"""The age of the oldest open delivery, by the stage that has to act on it, its lane, and the state it stands in.

`queued` is known by the record in Kafka, which has what is `sending` too until its answer is stored. What waits for its
next attempt or for an operator is the same for all workers, and told by those that run `schedule`.
"""

import asyncio
import time
from collections.abc import Iterator, Sequence

from service.bootstrap import Parts
from service.model.catalogue import Lane
from service.model.ledger import State
from service.observability.metrics import Labels
from service.ports import Unavailable
from streams.consumer.health import StageHealth

_LOOK_S = 1.0
_PUT_OFF = (State.deferred, State.ambiguous)


async def open_ages(parts: Parts, stages: Sequence[StageHealth]) -> list[tuple[Labels, float]]:
    """A row for every stage, lane and state that this worker can tell, in seconds. Never raises."""
    wanted = parts.settings.worker.stages
    rows = list(_queued(stages))
    if "email" in wanted:
        since = parts.in_flight.oldest_ms()
        rows += ((("email", lane, State.sending), _age(since.get(lane))) for lane in Lane)
    if "schedule" in wanted:
        rows += await _waiting(parts)
    return rows


def _queued(stages: Sequence[StageHealth]) -> Iterator[tuple[Labels, float]]:
    for health in stages:
        stage, _, lane = health.name.partition(".")
        if stage in ("inbox", "email"):
            yield (stage, lane, State.queued), health.oldest_unfinished_s


async def _waiting(parts: Parts) -> list[tuple[Labels, float]]:
    ages = parts.open_ages
    try:
        async with asyncio.timeout(_LOOK_S):
            put_off, held = await asyncio.gather(ages.waiting(), ages.held())
    except (TimeoutError, Unavailable):
        return []
    rows: list[tuple[Labels, float]] = [
        (("schedule", lane, state), _age(put_off.get((lane, state)))) for lane in Lane for state in _PUT_OFF
    ]
    return rows + [(("email", lane, State.held), _age(held.get(lane))) for lane in Lane]


def _age(since_ms: int | None) -> float:
    return 0.0 if since_ms is None else max(time.time() - since_ms / 1000, 0.0)
