"""Selection of dead letters by id or filter, each with its status, and their row in a listing."""

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

STATUS_NAMES = {OperationKind.redrive: "redriven", OperationKind.discard: "discarded"}
_OPEN = "open"


@dataclass(frozen=True, slots=True)
class DeadLetterFilter:
    """A selection of dead letters: those with these ids, or those that have one of the values in each field."""

    ids: frozenset[str]
    fields: Mapping[str, Sequence[str]]
    since: str = ""

    def matches(self, dead_letter: DeadLetter, status_name: str) -> bool:
        """Return True when every field has one of its values. A stage `email` matches `email.high` too."""
        values_of = {
            "reason": {dead_letter.reason},
            "type": {dead_letter.type},
            "topic": {dead_letter.topic},
            "state": {status_name},
            "stage": {dead_letter.stage, dead_letter.stage.partition(".")[0]},
        }
        return all(not values_of[name].isdisjoint(values) for name, values in self.fields.items())

    def document(self) -> dict[str, Any]:
        """Return the filter for the operation log."""
        since = {"since": self.since} if self.since else {}
        return {**{k: list(v) for k, v in self.fields.items()}, **since, "ids": sorted(self.ids)[:100]}


async def select(
    session: "OperatorSession", filter_: DeadLetterFilter
) -> "AsyncGenerator[tuple[DeadLetter, DeadLetterStatus | None], None]":
    """Yield the selected dead letters, each with its status; None while it is open."""
    statuses = await session.dead_letter_statuses()
    if filter_.ids:
        async for record in _fetch_ids(session, sorted(filter_.ids)):
            dead_letter = DeadLetter.from_record(record)
            yield dead_letter, statuses.get(dead_letter.id)
        return
    async for record in _read_since(session, filter_.since):
        dead_letter = DeadLetter.from_record(record)
        status = statuses.get(dead_letter.id)
        if filter_.matches(dead_letter, _status_name(status)):
            yield dead_letter, status


def _read_since(session: "OperatorSession", since: str) -> AsyncIterator[Record]:
    since_ms = moment_ms(since, time.time_ns() // 1_000_000, ago=True) if since else 0
    return session.read(session.parts.topics.dead_letter, since_ms=since_ms)


async def _fetch_ids(session: "OperatorSession", ids: Sequence[str]) -> AsyncIterator[Record]:
    """Yield the records with these ids. Raise CliError for an id that has no record."""
    from streams.reader.fetch_at import fetch_at

    topic = session.parts.topics.dead_letter
    positions = dict(zip((_position(id_, topic) for id_ in ids), ids, strict=True))
    async for record in fetch_at(session.connection, topic, positions):
        del positions[record.partition, record.offset]
        yield record
    for id_ in positions.values():
        raise CliError(f"there is no dead letter {id_}", "`tocsin dead-letters list` lists them")


_MOST_DIGITS = 19  # of a number of 64 bits


def _position(id_: str, topic: str) -> tuple[int, int]:
    """Return partition and offset of an id, which may leave the topic out."""
    numbers = id_.removeprefix(f"{topic}:").split(":")
    if len(numbers) != 2 or not all(number.isdecimal() and len(number) < _MOST_DIGITS for number in numbers):
        raise typer.BadParameter(f"{id_!r} is not an id such as {topic}:0:17", param_hint="ID")
    return int(numbers[0]), int(numbers[1])


async def open_chunks(
    session: "OperatorSession", filter_: DeadLetterFilter, size: int
) -> AsyncIterator[list[DeadLetter]]:
    """Yield the selected dead letters that are open, `size` at a time."""
    chunk: list[DeadLetter] = []
    async with aclosing(select(session, filter_)) as selected:
        async for dead_letter, status in selected:
            if status is None:
                chunk.append(dead_letter)
            if len(chunk) == size:
                yield chunk
                chunk = []
    if chunk:
        yield chunk


def _status_name(status: "DeadLetterStatus | None") -> str:
    return _OPEN if status is None else STATUS_NAMES.get(status.operation, status.operation)


def dead_letter_row(dead_letter: DeadLetter, status: "DeadLetterStatus | None") -> dict[str, Any]:
    """Return a dead letter's row in a listing, without personal data."""
    row: dict[str, Any] = {
        "id": dead_letter.id,
        "time": iso(dead_letter.record.timestamp_ms),
        "state": _status_name(status),
        "reason": dead_letter.reason,
        "type": dead_letter.type,
        "stage": dead_letter.stage,
        "topic": dead_letter.topic,
        "place": dead_letter.place,
        "detail": mask_text(dead_letter.detail),
    }
    return row if status is None else row | {"by": status.operator, "at": iso(status.at_ms)}
