"""The ledger: deliveries entered and moved in batches, and found again."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import NamedTuple, Protocol

from service.model.event import Event
from service.model.ledger import Entry, NewEntry, State, Transition, TransitionResult


class EventHead(NamedTuple):
    """What the ledger keeps of an event itself. `retention_s` is how long its rows are kept, in seconds."""

    event: Event
    retention_s: int
    sharded: bool = False
    position: str = ""


class Ledger(Protocol):
    """The state of every delivery. Every call is one script a batch (one a slot on a cluster)."""

    async def open(self, heads: Sequence[EventHead], openings: Sequence[NewEntry]) -> Sequence[State]:
        """Enter deliveries that are not there yet; the state each has now, in order."""
        ...

    async def transition(self, transitions: Sequence[Transition]) -> Sequence[TransitionResult]:
        """Make the moves that the ledger allows, in order."""
        ...

    async def entry(self, event: str, delivery: str) -> Entry | None:
        """One delivery with its history."""
        ...

    def entries(self, event: str) -> AsyncIterator[Entry]:
        """All deliveries of an event, in no order."""
        ...

    async def head(self, event: str) -> Mapping[str, object] | None:
        """What is kept of the event: type, source, id, times, position."""
        ...

    async def withdraw(self, event: str, at_ms: int, keep_s: int) -> None:
        """Mark an event as taken back, whether or not it has been seen; sending checks it.

        The mark stays with the event, for one that is not there at least `keep_s` seconds.
        """
        ...


class LedgerIndex(Protocol):
    """Finds what the ledger holds."""

    async def named(self, event_id: str) -> Sequence[str]:
        """The keys of the events with this id, one a source; some may have left the ledger."""
        ...

    async def recipient_entries(
        self, recipient: str, since_ms: int = 0, limit: int = 100
    ) -> Sequence[tuple[str, str]]:
        """(event, delivery), newest first, of what a recipient was due; some may have left the ledger."""
        ...
