"""The due set: deliveries that wait in Redis for their next attempt, and how long they have waited."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from service.model.catalogue import Lane
from service.model.delivery import Delivery
from service.model.ledger import State


@dataclass(frozen=True, slots=True)
class Due:
    """A delivery whose time has come, with the token that `settle` wants."""

    delivery: Delivery
    token: str


class DueSet(Protocol):
    """Deferred and held deliveries that wait in Redis for their time."""

    async def add(
        self, deliveries: Sequence[Delivery], due_ms: Sequence[int], states: Sequence[State] = ()
    ) -> None:
        """Store or move; one place a delivery id. `states`: in which they wait, `deferred` where it is left out."""
        ...

    async def hold(self, deliveries: Sequence[Delivery], at_ms: int) -> None:
        """Remember since when these wait for an operator; only so that their age can be told."""
        ...

    async def take(self, now_ms: int, limit: int, lease_ms: int = 30_000) -> Sequence[Due]:
        """Lease what is due; it comes again after the lease unless settled."""
        ...

    async def settle(self, due: Sequence[Due]) -> None:
        """Remove what has been handed on."""
        ...

    async def count(self) -> int:
        """Return how many deliveries wait."""
        ...

    async def oldest_ms(self) -> int | None:
        """The earliest due time; None when nothing waits."""
        ...

    async def times(self, deliveries: Sequence[str]) -> Sequence[int | None]:
        """For each delivery id when it is due (ms); None where it does not wait."""
        ...

    async def waiting(self, deliveries: Sequence[str]) -> Sequence[Delivery | None]:
        """The deliveries of these ids as they wait, handed out or not; None for one that does not."""
        ...

    async def drop(self, deliveries: Sequence[str]) -> None:
        """Forget deliveries by their ids, leased or not."""
        ...


class OpenAges(Protocol):
    """The oldest deliveries that wait, for metrics. Cheap: nothing is scanned. Every method raises Unavailable."""

    async def waiting(self) -> Mapping[tuple[Lane, State], int]:
        """Return for each lane and state of the due set that has any when its oldest event was received (ms)."""
        ...

    async def held(self) -> Mapping[Lane, int]:
        """Return for each lane that has any since when its oldest delivery waits for an operator (ms)."""
        ...
