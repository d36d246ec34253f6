"""Replays as operators choose them: what a filter would send again, and the sending."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import asdict, dataclass, field
from typing import Any

from service.model.operation import pseudonym
from service.model.topics import TopicNames
from service.pipeline.operate.audit_log import OperationLog
from service.pipeline.operate.operations import Progress, unobserved
from service.pipeline.operate.replay import (
    Pacer,
    PlannedReplay,
    ReplayCandidates,
    Replayer,
    ReplayFilter,
    plan_replay,
)
from service.ports import RecordLog


@dataclass(slots=True)
class ReplaySurvey:
    """What a filter would send again, by (state, reason, channel).

    `delivered`: those left alone because they were delivered; `lost`: those without a record on a dispatch topic.
    """

    counts: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    delivered: int = 0
    lost: int = 0

    @property
    def total(self) -> int:
        """Return the number of deliveries that would be replayed."""
        return sum(self.counts.values())


class Replays:
    """Replays of the deliveries that Kafka keeps. Every method raises Unavailable."""

    def __init__(self, log: RecordLog, replayer: Replayer, topics: TopicNames) -> None:
        self._log = log
        self._replayer = replayer
        self._topics = topics

    async def survey(self, chosen: ReplayFilter) -> ReplaySurvey:
        """Count what would be sent again. Send nothing."""
        candidates = await self._candidates(chosen)
        survey = ReplaySurvey(delivered=len(candidates.delivered))
        async with aclosing(self._planned(candidates)) as plan:
            async for _, outcome in plan:
                survey.counts[outcome.state, outcome.reason, outcome.channel] += 1
        survey.lost = len(candidates.latest)
        return survey

    async def run(
        self, chosen: ReplayFilter, rate: float, log: OperationLog, progress: Progress = unobserved
    ) -> Counter[str]:
        """Send again what the filter matches now, at most `rate` deliveries a second.

        Return how many, and why the others were left alone. What matches is read again, since a survey may be old.
        """
        pacer = Pacer(rate, asyncio.get_running_loop().time)
        counts: Counter[str] = Counter()
        batch: list[PlannedReplay] = []

        async def flush() -> None:
            await pacer.wait(len(batch))
            counts.update(await self._replayer(batch, chosen.replay, log))
            batch.clear()
            progress(counts)

        async with aclosing(self._planned(await self._candidates(chosen))) as plan:
            async for planned in plan:
                batch.append(planned)
                if len(batch) >= pacer.batch:
                    await flush()
        if batch:
            await flush()
        return counts

    async def _candidates(self, chosen: ReplayFilter) -> ReplayCandidates:
        candidates = ReplayCandidates(chosen)
        async for record in self._log.since([self._topics.outcomes], chosen.since_ms):
            candidates.read(record)
        return candidates

    async def _planned(self, candidates: ReplayCandidates) -> AsyncGenerator[PlannedReplay, None]:
        if not candidates.latest:
            return
        async for record in self._log.since(sorted(self._topics.dispatches())):
            if (planned := plan_replay(candidates, record)) is not None:
                yield planned


def logged_filter(chosen: ReplayFilter, rate: float) -> dict[str, Any]:
    """Return a filter for the operation log, with pseudonyms instead of recipients."""
    fields = {
        name: sorted(map(str, value)) if isinstance(value, frozenset) else value
        for name, value in asdict(chosen).items()
        if value
    }
    if chosen.recipients:
        fields["recipients"] = sorted(map(pseudonym, chosen.recipients))
    return fields | {"rate": rate}
