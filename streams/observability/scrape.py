"""The metrics that a worker reads at each scrape: ages, lag, records in flight, and the health of its relays."""

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence

from prometheus_client.metrics_core import Metric

from service.bootstrap.parts import Parts
from service.model.relay import RelayHealth, RelayState
from service.model.worker import StageState
from service.observability import metrics
from service.pipeline.operate.problem_rules import find_problems
from service.pipeline.operate.problems import count_problems
from service.ports import DueSet, Unavailable
from streams.consumer.health import StageHealth
from streams.observability.open_ages import held_until_a_time, open_ages

_DUE_TIMEOUT_S = 1.0


async def scrape(
    parts: Parts, stages: Sequence[StageHealth], waits: Mapping[str, str | None]
) -> list[Metric]:
    """Return the metric families that are read at a scrape. Never raise: a family that cannot be read is absent.

    `waits`: why services that read no topic wait; None for those that do not.
    """
    running = parts.settings.worker.stages
    observing = asyncio.create_task(
        parts.observer().observe()
    )  # beside the rest: a scrape must not last long
    families = list(_stages(stages))
    paused = [((h.name,), h.state is StageState.paused) for h in stages]
    families.append(
        metrics.STAGE_PAUSED.gauge(paused + [((name,), reason is not None) for name, reason in waits.items()])
    )
    families += _relays(parts.transport.state() if "email" in running else ())
    if "schedule" in running:
        families += [*await _due(parts.due), *await held_until_a_time(parts.due, parts.open_ages)]
    families.append(metrics.OLDEST_OPEN.gauge(await open_ages(parts, stages)))
    problems = find_problems(await observing)
    families.append(metrics.PROBLEMS.gauge(count_problems(problems).items()))
    return families


def _stages(stages: Sequence[StageHealth]) -> Iterator[Metric]:
    finished = [((h.name, "finished"), h.finished - h.dead) for h in stages]
    yield metrics.RECORDS.counter(finished + [((h.name, "dead_letter"), h.dead) for h in stages])
    yield metrics.OLDEST_UNFINISHED.gauge(((h.name,), h.oldest_unfinished_s) for h in stages)
    yield metrics.IN_FLIGHT.gauge(((h.name,), h.in_flight) for h in stages)
    yield metrics.UNREAD_PARTITIONS.gauge(((h.name,), len(h.unread)) for h in stages)
    yield metrics.MISSING_TOPICS.gauge(((h.name,), len(h.missing)) for h in stages)
    yield metrics.STAGE_PROGRESS.gauge(((h.name,), h.last_progress_s) for h in stages)
    yield metrics.LAG.gauge(
        ((tp.topic, str(tp.partition), h.group), n) for h in stages for tp, n in h.lag.items()
    )


def _relays(relays: Sequence[RelayHealth]) -> Iterator[Metric]:
    yield metrics.RELAY_STATE.gauge(
        ((r.relay, state.value), state is r.state) for r in relays for state in RelayState
    )
    yield metrics.RELAY_CONNECTIONS.gauge(((r.relay,), r.connections) for r in relays)
    yield metrics.RELAY_IN_FLIGHT.gauge(((r.relay,), r.in_flight) for r in relays)
    yield metrics.RELAY_WAITING.gauge(((r.relay,), r.queued) for r in relays)


async def _due(due: DueSet) -> list[Metric]:
    try:
        async with asyncio.timeout(_DUE_TIMEOUT_S):
            oldest, waiting = await asyncio.gather(due.oldest_ms(), due.count())
    except (TimeoutError, Unavailable):
        return []
    overdue_s = max(time.time() - oldest / 1000, 0.0) if oldest is not None else 0.0
    return [metrics.DUE.gauge([((), waiting)]), metrics.DUE_OVERDUE.gauge([((), overdue_s)])]
