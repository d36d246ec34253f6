"""The age of the oldest open delivery, by the stage that acts on it next, its lane and its state.

The record in Kafka is the evidence for `queued`; it stays until the result of a `sending` delivery is stored. The ages
of deferred and held deliveries are the same for all workers, so only the workers that run `schedule` report them.
"""

import asyncio
import time
from collections.abc import Iterator, Sequence

from prometheus_client.metrics_core import Metric

from service.bootstrap.parts import Parts
from service.model.catalogue import Lane
from service.model.channels import Channel
from service.model.ledger import WAITING, State
from service.model.reasons import HELD_UNTIL_A_TIME
from service.observability import metrics
from service.observability.metrics import Labels
from service.ports import DueSet, OpenAges, Unavailable
from streams.consumer.health import StageHealth

_TIMEOUT_S = 1.0
_CHANNEL_STAGES = frozenset(channel.value for channel in Channel)


async def open_ages(parts: Parts, stages: Sequence[StageHealth]) -> list[tuple[Labels, float]]:
    """Return a row for every stage, lane and state that this worker knows, in seconds. Never raise."""
    running = parts.settings.worker.stages
    rows = list(_queued(stages))
    if "email" in running:
        since = parts.in_flight.oldest_ms()
        rows += ((("email", lane, State.sending), _age_s(since.get(lane))) for lane in Lane)
    if "schedule" in running:
        rows += await _waiting(parts.open_ages)
    return rows


def _queued(stages: Sequence[StageHealth]) -> Iterator[tuple[Labels, float]]:
    for health in stages:
        stage, _, lane = health.name.partition(".")
        if stage in _CHANNEL_STAGES:
            yield (stage, lane, State.queued), health.oldest_unfinished_s


async def _waiting(ages: OpenAges) -> list[tuple[Labels, float]]:
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            deferred, held = await asyncio.gather(ages.waiting(), ages.held())
    except (TimeoutError, Unavailable):
        return []
    rows: list[tuple[Labels, float]] = [
        (("schedule", lane, state), _age_s(deferred.get((lane, state))))
        for lane in Lane
        for state in sorted(WAITING - {State.held})
    ]
    return rows + [(("email", lane, State.held), _age_s(held.get(lane))) for lane in Lane]


async def held_until_a_time(due: DueSet, ages: OpenAges) -> list[Metric]:
    """Return how many deliveries are held until a time, and the age of the oldest, by lane and reason. Never raise."""
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            numbers, oldest = await asyncio.gather(due.held_by_reason(), ages.held_by_reason())
    except (TimeoutError, Unavailable):
        return []
    groups = [(lane, reason) for lane in Lane for reason in sorted(HELD_UNTIL_A_TIME)]
    return [
        metrics.HELD.gauge((group, numbers.get(group, 0)) for group in groups),
        metrics.OLDEST_HELD.gauge((group, _age_s(oldest.get(group))) for group in groups),
    ]


def _age_s(since_ms: int | None) -> float:
    return 0.0 if since_ms is None else max(time.time() - since_ms / 1000, 0.0)
