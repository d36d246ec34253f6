"""The due set: deliveries that wait in Redis for their time or their next attempt, and how long they have waited."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from service.model.catalogue import Lane
from service.model.delivery import Delivery
from service.model.ledger import State
from service.model.reasons import Reason


@dataclass(frozen=True, slots=True)
class Due:
    """A leased delivery, with the token that `remove_dispatched` requires.

    `due_ms`: the time at which it was due, also where an earlier lease of it has ended.
    """

    delivery: Delivery
    token: str
    due_ms: int


class DueSet(Protocol):
    """Deliveries that wait in Redis for their time or their next attempt; and since when operators decide on others."""

    async def add(
        self,
        deliveries: Sequence[Delivery],
        due_ms: Sequence[int],
        states: Sequence[State] = (),
        reasons: Sequence[Reason] = (),
    ) -> None:
        """Store deliveries with the times at which they are dispatched (ms); adding one again replaces its time.

        `states`: the state in which each waits, `deferred` where none is passed. `reasons`: why, of held ones.
        """
        ...

    async def hold(self, deliveries: Sequence[Delivery], at_ms: int) -> None:
        """Record since when (ms) deliveries are held for an operator. Only the age metrics read it."""
        ...

    async def take(self, now_ms: int, limit: int, lease_ms: int = 30_000) -> Sequence[Due]:
        """Lease up to `limit` deliveries that are due. Each is due again when its lease ends, unless settled."""
        ...

    async def remove_dispatched(self, due: Sequence[Due]) -> None:
        """Remove deliveries that have been dispatched and whose lease is still the one in their token."""
        ...

    async def count(self) -> int:
        """Return how many deliveries wait."""
        ...

    async def count_between(self, bounds_ms: Sequence[int]) -> Sequence[int]:
        """Return how many are due from each time (ms) until before the next one: one number less than times."""
        ...

    async def standing(self) -> Mapping[tuple[Lane, State], int]:
        """Return how many wait in each lane and state, without those that have none."""
        ...

    async def held_by_reason(self) -> Mapping[tuple[Lane, Reason], int]:
        """Return how many are held until a time for each lane and reason, without those that have none."""
        ...

    async def page(
        self, after: tuple[int, str] = (0, ""), limit: int = 100
    ) -> Sequence[tuple[int, Delivery]]:
        """Return deliveries that wait with the times (ms) at which they are due, in the order of (time, id).

        Only those after this place. Raise Unavailable.
        """
        ...

    async def held_of(self, recipient: str) -> Sequence[str]:
        """Return the ids of the deliveries of a recipient that are held until a time."""
        ...

    async def with_held(self, recipients: Sequence[str]) -> Sequence[bool]:
        """Return for each recipient whether any delivery may be held until a time: cheap, for every change of a row."""
        ...

    async def hasten(self, delivery_ids: Sequence[str], at_ms: int) -> int:
        """Make deliveries that wait due at a time (ms) at the latest, and return of how many the time has changed.

        The email stage then decides again whether and until when they are held. Leased ones are left alone.
        """
        ...

    async def oldest_ms(self) -> int | None:
        """Return the earliest due time (ms); None when no delivery waits."""
        ...

    async def times(self, delivery_ids: Sequence[str]) -> Sequence[int | None]:
        """Return for each delivery id when it is due (ms); None where it does not wait."""
        ...

    async def waiting(self, delivery_ids: Sequence[str]) -> Sequence[Delivery | None]:
        """Return the waiting delivery of each id, leased or not; None for one that does not wait."""
        ...

    async def drop(self, delivery_ids: Sequence[str]) -> None:
        """Remove deliveries by their ids, leased or not."""
        ...


class OpenAges(Protocol):
    """The oldest deliveries that wait, for metrics. Cheap: nothing is scanned. Every method raises Unavailable."""

    async def waiting(self) -> Mapping[tuple[Lane, State], int]:
        """Return for each lane and state of the due set that has any when its oldest event was received (ms)."""
        ...

    async def held_by_reason(self) -> Mapping[tuple[Lane, Reason], int]:
        """Return for each lane and reason that has any when the oldest event held until a time was received (ms)."""
        ...

    async def held(self) -> Mapping[Lane, int]:
        """Return for each lane that has any since when its oldest delivery waits for an operator (ms)."""
        ...
