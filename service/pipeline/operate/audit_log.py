"""Operation log: the record of an operation on `dispatch.audit`.

Its begin is written before anything is done: if the operation is cut off, the log still shows that it was started.
"""

from collections.abc import Iterable, Mapping, Sequence
from secrets import token_hex
from typing import Any, NamedTuple

from service.model.operation import Operation, OperationKind, OperationPhase
from service.model.record import Message, Record
from service.ports import Clock, Publisher


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
        self._kind = kind
        self._publisher = publisher
        self._topic = topic
        self._clock = clock
        self._filters = filters

    async def write(
        self, phase: OperationPhase, counts: Mapping[str, int], items: Sequence[str] = ()
    ) -> None:
        """Publish one record. Raise Unavailable."""
        now = self._clock.now_ms()
        operation = Operation(
            self.id, self._kind, phase, self.operator, now, self._filters, dict(counts), tuple(items)
        )
        await self._publisher.publish([Message(self._topic, self.id.encode(), operation.to_bytes())])


class DeadLetterStatus(NamedTuple):
    """The last operation on a dead letter, its operator and its time (ms)."""

    operation: OperationKind
    operator: str
    at_ms: int


def dead_letter_statuses(records: Iterable[Record]) -> dict[str, DeadLetterStatus]:
    """Return the status of each dead letter that `dispatch.audit` names, by its id; all others are open."""
    statuses: dict[str, DeadLetterStatus] = {}
    for record in records:
        try:
            operation = Operation.from_bytes(record.value or b"")
        except ValueError:
            continue
        for item in operation.items:
            known = statuses.get(item)
            if known is None or known.at_ms <= operation.at_ms:
                statuses[item] = DeadLetterStatus(operation.action, operation.who, operation.at_ms)
    return statuses
