"""The due set in memory."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, pairwise

from service.model.catalogue import Lane
from service.model.delivery import Delivery
from service.model.ledger import State
from service.model.reasons import Reason
from service.ports import Due
from tests.fakes.outage import Outage


@dataclass
class _Waiting:
    delivery: Delivery
    due_ms: int
    state: State = State.deferred
    reason: Reason = Reason.none
    token: str = ""
    first_ms: int = 0


class FakeDueSet:
    """Implements the DueSet port."""

    def __init__(self) -> None:
        self.outage = Outage()
        self._waiting: dict[str, _Waiting] = {}
        self._tokens = count(1)
        self.held: dict[str, int] = {}

    async def add(
        self,
        deliveries: Sequence[Delivery],
        due_ms: Sequence[int],
        states: Sequence[State] = (),
        reasons: Sequence[Reason] = (),
    ) -> None:
        self.outage.check()
        assert len(reasons) in (0, len(deliveries))
        assert len(states) in (0, len(deliveries))
        assert len(reasons) in (0, len(deliveries))
        states = states or [State.deferred] * len(deliveries)
        reasons = reasons or [Reason.none] * len(deliveries)
        for delivery, at, state, reason in zip(deliveries, due_ms, states, reasons, strict=True):
            self._waiting[delivery.id] = _Waiting(delivery, at, state, reason)

    async def hold(self, deliveries: Sequence[Delivery], at_ms: int) -> None:
        self.outage.check()
        self.held.update(dict.fromkeys((delivery.id for delivery in deliveries), at_ms))

    async def take(self, now_ms: int, limit: int, lease_ms: int = 30_000) -> Sequence[Due]:
        self.outage.check()
        due = sorted((w for w in self._waiting.values() if w.due_ms <= now_ms), key=lambda w: w.due_ms)
        token = str(next(self._tokens))
        for waiting in due[:limit]:
            if not waiting.token:
                waiting.first_ms = waiting.due_ms
            waiting.due_ms, waiting.token = now_ms + lease_ms, token
        return [Due(waiting.delivery, token, waiting.first_ms) for waiting in due[:limit]]

    async def remove_dispatched(self, due: Sequence[Due]) -> None:
        self.outage.check()
        for one in due:
            waiting = self._waiting.get(one.delivery.id)
            if waiting and waiting.token == one.token:
                del self._waiting[one.delivery.id]

    async def count_between(self, bounds_ms: Sequence[int]) -> Sequence[int]:
        self.outage.check()
        due_ms = [waiting.due_ms for waiting in self._waiting.values()]
        return [sum(start <= at < end for at in due_ms) for start, end in pairwise(bounds_ms)]

    async def standing(self) -> Mapping[tuple[Lane, State], int]:
        self.outage.check()
        return Counter((waiting.delivery.lane, waiting.state) for waiting in self._waiting.values())

    async def held_by_reason(self) -> Mapping[tuple[Lane, Reason], int]:
        self.outage.check()
        return Counter((waiting.delivery.lane, waiting.reason) for waiting in self._held())

    async def page(
        self, after: tuple[int, str] = (0, ""), limit: int = 100
    ) -> Sequence[tuple[int, Delivery]]:
        self.outage.check()
        rows = sorted((waiting.due_ms, id_, waiting.delivery) for id_, waiting in self._waiting.items())
        return [(at_ms, one) for at_ms, id_, one in rows if (at_ms, id_) > after][:limit]

    async def held_of(self, recipient: str) -> Sequence[str]:
        self.outage.check()
        return [held.delivery.id for held in self._held() if held.delivery.recipient == recipient]

    async def with_held(self, recipients: Sequence[str]) -> Sequence[bool]:
        return [bool(await self.held_of(recipient)) for recipient in recipients]

    async def hasten(self, delivery_ids: Sequence[str], at_ms: int) -> int:
        self.outage.check()
        later = [
            waiting
            for id_ in dict.fromkeys(delivery_ids)
            if (waiting := self._waiting.get(id_)) and waiting.due_ms > at_ms and not waiting.token
        ]
        for waiting in later:
            waiting.due_ms = at_ms
        return len(later)

    async def oldest_ms(self) -> int | None:
        self.outage.check()
        return min((waiting.due_ms for waiting in self._waiting.values()), default=None)

    async def times(self, deliveries: Sequence[str]) -> Sequence[int | None]:
        self.outage.check()
        return [self._waiting[i].due_ms if i in self._waiting else None for i in deliveries]

    async def waiting(self, deliveries: Sequence[str]) -> Sequence[Delivery | None]:
        self.outage.check()
        return [self._waiting[i].delivery if i in self._waiting else None for i in deliveries]

    async def drop(self, deliveries: Sequence[str]) -> None:
        self.outage.check()
        for one in deliveries:
            self._waiting.pop(one, None)

    async def count(self) -> int:
        self.outage.check()
        return len(self._waiting)

    def _held(self) -> Iterator[_Waiting]:
        return (waiting for waiting in self._waiting.values() if waiting.state is State.held)
