"""Dead letters as verbs see them: which are meant, what became of each, one shape to show."""

import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import typer

from service.cli.support.output import CliError
from service.cli.support.times import iso, moment_ms
from service.model.dead_letter import DeadLetter
from service.model.mask import mask_text
from service.model.operation import OperationKind
from service.model.record import Record

if TYPE_CHECKING:
    from service.cli.support.operator_session import OperatorSession
    from service.pipeline.operate.audit_log import DeadLetterStatus

STATES = {OperationKind.redrive: "redriven", OperationKind.discard: "discarded"}
_OPEN = "open"


@dataclass(frozen=True, slots=True)
class DeadLetterFilter:
    """Which dead letters are meant: those with these ids, or those whose fields have one of the values."""

    ids: frozenset[str]
    fields: Mapping[str, Sequence[str]]
    since: str = ""

    def wants(self, letter: DeadLetter, state: str) -> bool:
        """Whether this one is meant."""
        has = {"reason": letter.reason, "type": letter.type, "topic": letter.topic, "state": state}
        stages = {letter.stage, letter.stage.partition(".")[0]}
        return all(
            (not stages.isdisjoint(values)) if name == "stage" else has[name] in values
            for name, values in self.fields.items()
        )

    def told(self) -> dict[str, Any]:
        """For the audit."""
        more = {"since": self.since} if self.since else {}
        return {**{k: list(v) for k, v in self.fields.items()}, **more, "ids": sorted(self.ids)[:100]}


async def select(
    at: "OperatorSession", asked: DeadLetterFilter
) -> "AsyncGenerator[tuple[DeadLetter, DeadLetterStatus | None], None]":
    """Letters that are meant, each with what became of it, None for nothing yet."""
    statuses = await at.dead_letter_statuses()
    if asked.ids:
        async for record in _picked(at, sorted(asked.ids)):
            letter = DeadLetter.from_record(record)
            yield letter, statuses.get(letter.id)
        return
    async for record in _died(at, asked.since):
        letter = DeadLetter.from_record(record)
        status = statuses.get(letter.id)
        if asked.wants(letter, _state(status)):
            yield letter, status


def _died(at: "OperatorSession", since: str) -> AsyncIterator[Record]:
    since_ms = moment_ms(since, time.time_ns() // 1_000_000, ago=True) if since else 0
    return at.read(at.parts.topics.dead_letter, since_ms=since_ms)


async def _picked(at: "OperatorSession", ids: Sequence[str]) -> AsyncIterator[Record]:
    """The records with these ids. Raises Failure for one that is not there."""
    from streams.reader.fetch_at import fetch_at

    topic = at.parts.topics.dead_letter
    places = dict(zip((_place(name, topic) for name in ids), ids, strict=True))
    async for record in fetch_at(at.connection, topic, places):
        del places[record.partition, record.offset]
        yield record
    for name in places.values():
        raise CliError(f"there is no dead letter {name}", "`tocsin dead-letters list` shows them")


def _place(name: str, topic: str) -> tuple[int, int]:
    """Partition and offset of an id; the topic may be left out."""
    numbers = name.removeprefix(f"{topic}:").split(":")
    if len(numbers) != 2 or not all(number.isdecimal() for number in numbers):
        raise typer.BadParameter(f"{name!r} is no id such as {topic}:0:17", param_hint="ID")
    return int(numbers[0]), int(numbers[1])


async def open_parts(
    at: "OperatorSession", asked: DeadLetterFilter, size: int
) -> AsyncIterator[list[DeadLetter]]:
    """The open letters that are meant, some at a time."""
    part: list[DeadLetter] = []
    async with aclosing(select(at, asked)) as letters:
        async for letter, status in letters:
            if status is None:
                part.append(letter)
            if len(part) == size:
                yield part
                part = []
    if part:
        yield part


def _state(status: "DeadLetterStatus | None") -> str:
    return _OPEN if status is None else STATES.get(status.operation, status.operation)


def row_of(letter: DeadLetter, status: "DeadLetterStatus | None") -> dict[str, Any]:
    """A letter for a listing: nothing in it is personal."""
    record: Record = letter.record
    row: dict[str, Any] = {
        "id": letter.id,
        "time": iso(record.timestamp_ms),
        "state": _state(status),
        "reason": letter.reason,
        "type": letter.type,
        "stage": letter.stage,
        "topic": letter.topic,
        "place": letter.place,
        "detail": mask_text(letter.detail),
    }
    return row if status is None else row | {"by": status.operator, "at": iso(status.at_ms)}
