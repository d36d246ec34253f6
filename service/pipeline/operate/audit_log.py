"""The operations of operators on `dispatch.audit`: writing those of one operation, and reading all of them.

The begin of an operation is written before anything is done: if it is cut off, the log still shows that it was started.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing
from secrets import token_hex
from typing import Any, NamedTuple

from service.model.operation import Operation, OperationKind, OperationPhase
from service.model.record import Message, Record
from service.ports import Clock, Positions, Publisher, RecordLog


class OperationLog:
    """Writer of the records of one operation of one operator. `filters` must not hold personal data."""

    def __init__(
        self,
        publisher: Publisher,
        topic: str,
        clock: Clock,
        *,
        operator: str,
        kind: OperationKind,
        filters: Mapping[str, Any],
    ) -> None:
        self.id = token_hex(6)
        self.operator = operator
        self.kind = kind
        self.filters = filters
        self._publisher = publisher
        self._topic = topic
        self._clock = clock

    async def write(
        self, phase: OperationPhase, counts: Mapping[str, int], items: Sequence[str] = ()
    ) -> None:
        """Publish one record. Raise Unavailable."""
        now = self._clock.now_ms()
        operation = Operation(
            self.id, self.kind, phase, self.operator, now, self.filters, dict(counts), tuple(items)
        )
        await self._publisher.publish([Message(self._topic, self.id.encode(), operation.to_bytes())])


class DeadLetterStatus(NamedTuple):
    """The last operation on a dead letter, its operator and its time (ms)."""

    operation: OperationKind
    operator: str
    at_ms: int


class RecordedOperation(NamedTuple):
    """An operation as its records show it. `began_ms`, `at_ms`: the times of its first and newest record.

    `counts` are those of the newest record, or of all parts together while it has not ended.
    """

    id: str
    kind: OperationKind
    phase: OperationPhase
    operator: str
    began_ms: int
    at_ms: int
    filters: Mapping[str, Any]
    counts: Mapping[str, int]


def operations_in(records: Iterable[Record]) -> Iterator[Operation]:
    """Yield the operations in records of `dispatch.audit`; records that hold none are skipped."""
    for record in records:
        try:
            yield Operation.from_bytes(record.value or b"")
        except ValueError:
            continue


class AuditLog:
    """Reader of `dispatch.audit`. What it has read is kept: a later call reads only what has come since.

    The newest `_MOST_OPERATIONS` operations are kept, and the status of every dead letter.
    """

    _MOST_OPERATIONS = 10_000

    def __init__(self, log: RecordLog, topic: str) -> None:
        self._log = log
        self._topic = topic
        self._read: dict[tuple[str, int], int] = {}
        self._statuses: dict[str, DeadLetterStatus] = {}
        self._operations: dict[str, RecordedOperation] = {}
        self._lock = asyncio.Lock()

    async def dead_letter_statuses(self) -> Mapping[str, DeadLetterStatus]:
        """Return the status of each dead letter that an operation names, by its id; all others are open.

        Raise Unavailable.
        """
        await self._refresh()
        return self._statuses

    async def operations(
        self,
        limit: int,
        after: str = "",
        *,
        kinds: frozenset[str] = frozenset(),
        operators: frozenset[str] = frozenset(),
    ) -> Sequence[RecordedOperation]:
        """Return the operations that began last, newest first; with `after` those before it. Raise Unavailable."""
        await self._refresh()
        matching = [
            one
            for one in self._operations.values()
            if (not kinds or one.kind in kinds) and (not operators or one.operator in operators)
        ]
        matching.sort(key=lambda one: (one.began_ms, one.id), reverse=True)
        if after and (last := self._operations.get(after)) is not None:
            matching = [one for one in matching if (one.began_ms, one.id) < (last.began_ms, last.id)]
        return matching[:limit]

    async def operation(self, id_: str) -> RecordedOperation | None:
        """Return one operation; None where there is none, or it is too old. Raise Unavailable."""
        await self._refresh()
        return self._operations.get(id_)

    async def _refresh(self) -> None:
        async with self._lock:
            ends = await self._log.ends([self._topic])
            news = await self._news(ends)
            for operation in operations_in(news):
                self._note(operation)
            self._read = dict(ends)
            if len(self._operations) > self._MOST_OPERATIONS:
                oldest_first = sorted(self._operations.values(), key=lambda one: one.began_ms)
                for one in oldest_first[: -self._MOST_OPERATIONS]:
                    del self._operations[one.id]

    async def _news(self, ends: Positions) -> list[Record]:
        """Return the records that have come since the last call, in their order."""
        unread = {place: end for place, end in ends.items() if end > self._read.get(place, 0)}
        news: list[Record] = []
        async with aclosing(self._log.newest(unread)) as records:
            async for record in records:
                place = record.topic, record.partition
                if record.offset >= self._read.get(place, 0):
                    news.append(record)
                    continue
                unread.pop(place, None)
                if not unread:
                    break
        return news[::-1]

    def _note(self, operation: Operation) -> None:
        known = self._operations.get(operation.id)
        counts = dict(operation.counts)
        if (
            known is not None
            and operation.phase is OperationPhase.part
            and known.phase is OperationPhase.part
        ):
            counts = dict(Counter(known.counts) + Counter(counts))
        self._operations[operation.id] = RecordedOperation(
            operation.id,
            operation.action,
            operation.phase,
            operation.who,
            known.began_ms if known is not None else operation.at_ms,
            operation.at_ms,
            operation.filters,
            counts,
        )
        for item in operation.items:
            status = self._statuses.get(item)
            if status is None or status.at_ms <= operation.at_ms:
                self._statuses[item] = DeadLetterStatus(operation.action, operation.who, operation.at_ms)
