"""The trail of an operation on `dispatch.audit`: begun before anything is done, so that nothing is done unseen."""

from collections.abc import Iterable, Mapping, Sequence
from secrets import token_hex
from typing import Any, NamedTuple

from service.model.operation import Operation, OperationKind, OperationPhase
from service.model.record import Message, Record
from service.ports import Clock, Publisher


class OperationLog:
    """One operation of one operator. `asked` is the filter, without anything that names a person."""

    def __init__(
        self,
        publisher: Publisher,
        topic: str,
        clock: Clock,
        *,
        who: str,
        action: OperationKind,
        asked: Mapping[str, Any],
    ) -> None:
        self.id = token_hex(6)
        self.who = who
        self.action = action
        self._publisher = publisher
        self._topic = topic
        self._clock = clock
        self._asked = asked

    async def tell(self, phase: OperationPhase, counts: Mapping[str, int], items: Sequence[str] = ()) -> None:
        """Write one record. Raises Unavailable."""
        now = self._clock.now_ms()
        said = Operation(self.id, self.action, phase, self.who, now, self._asked, dict(counts), tuple(items))
        await self._publisher.publish([Message(self._topic, self.id.encode(), said.to_bytes())])


class DeadLetterStatus(NamedTuple):
    """What was done to a dead letter, by whom and when (ms)."""

    action: OperationKind
    who: str
    at_ms: int


def dead_letter_statuses(records: Iterable[Record]) -> dict[str, DeadLetterStatus]:
    """What `dispatch.audit` says of each dead letter by its id; one that is not in it is open."""
    found: dict[str, DeadLetterStatus] = {}
    for record in records:
        try:
            told = Operation.from_bytes(record.value or b"")
        except ValueError:
            continue
        for item in told.items:
            known = found.get(item)
            if known is None or known.at_ms <= told.at_ms:
                found[item] = DeadLetterStatus(told.action, told.who, told.at_ms)
    return found
