"""The ledger: the state of every delivery, entered and changed in batches, and its indexes."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import NamedTuple, Protocol

from service.model.event import Event
from service.model.ledger import Entry, HistoryStep, NewEntry, State, Transition, TransitionResult
from service.model.restored_history import LoggedDelivery


class EventPosition(NamedTuple):
    """Where Kafka has an event."""

    topic: str
    partition: int
    offset: int


MANY = -1
"""An event has many deliveries; how many is not known."""


class EventHead(NamedTuple):
    """The part of an event that the ledger keeps. `retention_s`: how long its entries are kept, in seconds.

    `deliveries`: how many it may have at most, MANY where that is not known.
    """

    event: Event
    retention_s: int
    deliveries: int = 0
    position: EventPosition | None = None


class Ledger(Protocol):
    """The state of every delivery. Every call is one script a batch (one a slot on a cluster)."""

    async def open(self, heads: Sequence[EventHead], new_entries: Sequence[NewEntry]) -> Sequence[State]:
        """Enter deliveries that do not exist yet. Return the state each one has now, in order."""
        ...

    async def transition(self, transitions: Sequence[Transition]) -> Sequence[TransitionResult]:
        """Write the transitions that the ledger allows, in order."""
        ...

    async def current(self, deliveries: Sequence[tuple[str, str]]) -> Sequence[TransitionResult]:
        """Return the current state, owner and attempt of each (event, delivery id), in order; nothing is written."""
        ...

    async def entry(self, event: str, delivery: str) -> Entry | None:
        """Return a delivery with its history; None where there is none."""
        ...

    async def newest_steps(self, deliveries: Sequence[tuple[str, str]]) -> Sequence[HistoryStep | None]:
        """Return the newest step of each (event, delivery id), in order; None for one that is not there."""
        ...

    async def entries_of(self, deliveries: Sequence[tuple[str, str]]) -> Sequence[Entry | None]:
        """Return each (event, delivery id) with its history, in order; None for one that is not there."""
        ...

    def entries(self, event: str) -> AsyncIterator[Entry]:
        """Yield all deliveries of an event, in no order."""
        ...

    async def head(self, event: str) -> Mapping[str, object] | None:
        """Return what is kept of an event: type, source, id, times, position; None where nothing is."""
        ...

    async def withdraw(self, event: str, at_ms: int, keep_s: int) -> None:
        """Mark an event as withdrawn, whether or not it has come yet; claims check the mark.

        The mark is kept as long as the event, for an event that has not come at least `keep_s` seconds.
        """
        ...


class LedgerRestore(Protocol):
    """The ledger as a rebuild writes it: from what the log has, in whatever order that comes."""

    async def restore(
        self, heads: Sequence[EventHead], logged: Sequence[LoggedDelivery]
    ) -> Sequence[Entry | None]:
        """Put steps into the histories of deliveries where they belong; enter deliveries that are not there.

        `heads` of events that the ledger does not hold. Return each delivery as it is then; None for one of an event
        that the ledger does not hold, whose retention is over. Each delivery is passed once.
        """
        ...

    async def restored(self, deliveries: Sequence[tuple[str, str]]) -> Sequence[Entry | None]:
        """Return each (event, delivery) as it is now; None for one that the ledger does not hold."""
        ...


class LedgerIndex(Protocol):
    """Indexes of the ledger by event id and by recipient."""

    async def named(self, event_id: str) -> Sequence[str]:
        """Return the keys of the events with this id, one a source; some may have left the ledger."""
        ...

    async def recipient_entries(
        self, recipient: str, since_ms: int = 0, limit: int = 100
    ) -> Sequence[tuple[str, str]]:
        """Return (event, delivery) of a recipient's deliveries, newest first; some may have left the ledger."""
        ...
