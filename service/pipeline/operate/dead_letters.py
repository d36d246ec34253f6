"""Dead letters as operators choose them, by id or filter, each with its status; and what is done with them."""

from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from service.model.dead_letter import DeadLetter
from service.model.operation import OperationKind
from service.model.topics import TopicNames
from service.pipeline.operate.audit_log import AuditLog, DeadLetterStatus, OperationLog
from service.pipeline.operate.operations import Progress, unobserved
from service.pipeline.operate.redrive import CHUNK, Redriver, discard
from service.ports import Positions, RecordLog

OPEN = "open"
STATUS_NAMES = {OperationKind.redrive: "redriven", OperationKind.discard: "discarded"}
_MOST_DIGITS = 19  # of a number of 64 bits
_MOST_READ = 50_000
"""Dead letters that are read for one page."""


class UnknownDeadLetter(LookupError):
    """There is no dead letter with this id, or it is past the retention of its topic."""


@dataclass(frozen=True, slots=True)
class DeadLetterFilter:
    """A choice of dead letters: those with these ids, or those that have one of the values in each field.

    Empty fields match everything. A stage `email` matches `email.high` too. Raise ValueError for what is no id.
    """

    ids: frozenset[str] = frozenset()
    reasons: frozenset[str] = frozenset()
    types: frozenset[str] = frozenset()
    stages: frozenset[str] = frozenset()
    topics: frozenset[str] = frozenset()
    states: frozenset[str] = frozenset()
    since_ms: int = 0

    def __post_init__(self) -> None:
        for id_ in self.ids:
            position_of(id_)

    @property
    def is_empty(self) -> bool:
        """Return whether it matches every dead letter."""
        return self == DeadLetterFilter()

    def matches(self, dead_letter: DeadLetter, status: DeadLetterStatus | None) -> bool:
        """Return whether the filter matches; ids are not compared."""
        stages = {dead_letter.stage, dead_letter.stage.partition(".")[0]}
        return (
            dead_letter.record.timestamp_ms >= self.since_ms
            and (not self.reasons or dead_letter.reason in self.reasons)
            and (not self.types or dead_letter.type in self.types)
            and (not self.topics or dead_letter.topic in self.topics)
            and (not self.stages or not self.stages.isdisjoint(stages))
            and (not self.states or status_name(status) in self.states)
        )

    def document(self) -> dict[str, Any]:
        """Return the filter for the operation log."""
        fields = {
            "reason": self.reasons,
            "type": self.types,
            "stage": self.stages,
            "topic": self.topics,
            "state": self.states,
        }
        since = {"since_ms": self.since_ms} if self.since_ms else {}
        return {
            **{name: sorted(values) for name, values in fields.items() if values},
            **since,
            "ids": sorted(self.ids)[:100],
        }


class KnownDeadLetter(NamedTuple):
    """A dead letter with its status; None while it is open."""

    dead_letter: DeadLetter
    status: DeadLetterStatus | None


@dataclass(slots=True)
class DeadLetterSurvey:
    """The open dead letters of a choice by (reason, stage, type), their topics, and how many others are closed."""

    counts: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    topics: set[str] = field(default_factory=set)
    closed: int = 0

    @property
    def total(self) -> int:
        """Return the number of open dead letters."""
        return sum(self.counts.values())


class DeadLetterPage(NamedTuple):
    """A page, newest first. `before` is where the next page begins; None where there is none.

    A page may be short, even empty, and have a next one: a page reads 50,000 records at most.
    """

    dead_letters: list[KnownDeadLetter]
    before: Positions | None


class DeadLetters:
    """The dead letters that Kafka keeps. Every method raises Unavailable."""

    def __init__(self, log: RecordLog, audit: AuditLog, topics: TopicNames) -> None:
        self._log = log
        self._audit = audit
        self._topic = topics.dead_letter

    async def select(self, chosen: DeadLetterFilter) -> AsyncGenerator[KnownDeadLetter, None]:
        """Yield the chosen dead letters. Raise UnknownDeadLetter for an id that has no record."""
        statuses = await self._audit.dead_letter_statuses()
        if chosen.ids:
            left = {self._position(id_): id_ for id_ in sorted(chosen.ids)}
            async for record in self._log.at(self._topic, list(left)):
                left.pop((record.partition, record.offset), None)
                dead_letter = DeadLetter.from_record(record)
                yield KnownDeadLetter(dead_letter, statuses.get(dead_letter.id))
            for id_ in left.values():
                raise UnknownDeadLetter(f"there is no dead letter {id_}")
            return
        async for record in self._log.since([self._topic], chosen.since_ms):
            dead_letter = DeadLetter.from_record(record)
            status = statuses.get(dead_letter.id)
            if chosen.matches(dead_letter, status):
                yield KnownDeadLetter(dead_letter, status)

    async def find(self, id_: str) -> KnownDeadLetter:
        """Return one dead letter. Raise ValueError for what is no id, UnknownDeadLetter."""
        async with aclosing(self.select(DeadLetterFilter(frozenset({id_})))) as selected:
            return await anext(selected)

    async def page(
        self, chosen: DeadLetterFilter, limit: int, before: Positions | None = None
    ) -> DeadLetterPage:
        """Return the newest `limit` dead letters that match, of those before some positions."""
        statuses = await self._audit.dead_letter_statuses()
        positions = dict(before if before is not None else await self._log.ends([self._topic]))
        found: list[KnownDeadLetter] = []
        read = 0
        async with aclosing(self._log.newest(positions)) as records:
            async for record in records:
                if len(found) == limit or read == _MOST_READ or record.timestamp_ms < chosen.since_ms:
                    more = record.timestamp_ms >= chosen.since_ms
                    return DeadLetterPage(found, positions if more else None)
                positions[record.topic, record.partition] = record.offset
                read += 1
                dead_letter = DeadLetter.from_record(record)
                status = statuses.get(dead_letter.id)
                if chosen.matches(dead_letter, status):
                    found.append(KnownDeadLetter(dead_letter, status))
        return DeadLetterPage(found, None)

    async def survey(self, chosen: DeadLetterFilter) -> DeadLetterSurvey:
        """Count the chosen dead letters."""
        survey = DeadLetterSurvey()
        async with aclosing(self.select(chosen)) as selected:
            async for dead_letter, status in selected:
                if status is None:
                    survey.counts[dead_letter.reason, dead_letter.stage, dead_letter.type] += 1
                    survey.topics.add(dead_letter.topic)
                else:
                    survey.closed += 1
        return survey

    async def redrive(
        self, chosen: DeadLetterFilter, redriver: Redriver, log: OperationLog, progress: Progress = unobserved
    ) -> Counter[str]:
        """Redrive the chosen ones that are open; return how many, and why the others were left alone."""
        counts: Counter[str] = Counter()
        async for chunk in self._open_chunks(chosen):
            counts += await redriver(chunk, log)
            progress(counts)
        return counts

    async def discard(
        self, chosen: DeadLetterFilter, log: OperationLog, progress: Progress = unobserved
    ) -> Counter[str]:
        """Close the chosen ones that are open; return how many."""
        counts: Counter[str] = Counter()
        async for chunk in self._open_chunks(chosen):
            await discard(chunk, log)
            counts[STATUS_NAMES[OperationKind.discard]] += len(chunk)
            progress(counts)
        return counts

    def _position(self, id_: str) -> tuple[int, int]:
        topic, _, _ = id_.rpartition(":")[0].rpartition(":")
        if topic not in ("", self._topic):
            raise UnknownDeadLetter(f"there is no dead letter {id_}")
        return position_of(id_)

    async def _open_chunks(self, chosen: DeadLetterFilter) -> AsyncIterator[list[DeadLetter]]:
        chunk: list[DeadLetter] = []
        async with aclosing(self.select(chosen)) as selected:
            async for dead_letter, status in selected:
                if status is None:
                    chunk.append(dead_letter)
                if len(chunk) == CHUNK:
                    yield chunk
                    chunk = []
        if chunk:
            yield chunk


def status_name(status: DeadLetterStatus | None) -> str:
    """Return `open`, `redriven` or `discarded`."""
    return OPEN if status is None else STATUS_NAMES.get(status.operation, status.operation)


def position_of(id_: str) -> tuple[int, int]:
    """Return partition and offset of an id, which may leave the topic out. Raise ValueError."""
    numbers = id_.rsplit(":", 2)[-2:]
    if len(numbers) != 2 or not all(number.isdecimal() and len(number) < _MOST_DIGITS for number in numbers):
        raise ValueError(f"{id_!r} is not an id such as dispatch.dead-letter:0:17")
    return int(numbers[0]), int(numbers[1])
