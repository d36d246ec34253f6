"""The ledger: deliveries entered and moved in batches, and found again."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import NamedTuple, Protocol

from service.model.event import Event
from service.model.ledger import Entry, ReplayKind, State
from service.model.reasons import Reason


class NewEntry(NamedTuple):
    """A delivery to enter: its first state, and by which rule (`found`), in which row (`scope`), it was found."""

    event: str
    delivery: str
    recipient: str
    channel: str
    state: State
    reason: Reason
    at_ms: int
    detail: str = ""
    found: str = ""
    scope: str = ""


class EventHead(NamedTuple):
    """What the ledger keeps of an event itself. `retention_s` is how long its rows are kept, in seconds."""

    event: Event
    retention_s: int
    wide: bool = False
    position: str = ""


class Transition(NamedTuple):
    """A move of one delivery. Written only if it stands in a state from which `to` may follow.

    With `owner` it is a worker's claim. What is deferred or ambiguous may be claimed only as its next attempt: a record
    that was tried already and comes again, since it was not committed, must not be tried before its time.
    `replay`: an operator's move, which has its own table.
    """

    event: str
    delivery: str
    to: State
    reason: Reason
    at_ms: int
    attempt: int = 0
    detail: str = ""
    owner: str = ""
    replay: ReplayKind = ReplayKind.none


class TransitionResult(NamedTuple):
    """What became of a move: `state` is where the delivery stands now, `owner` who claimed it."""

    applied: bool
    state: State | None
    owner: str = ""
    attempt: int = 0


class Ledger(Protocol):
    """The state of every delivery. Every call is one script a batch (one a slot on a cluster)."""

    async def open(self, heads: Sequence[EventHead], openings: Sequence[NewEntry]) -> Sequence[State]:
        """Enter deliveries that are not there yet; the state each has now, in order."""
        ...

    async def move(self, moves: Sequence[Transition]) -> Sequence[TransitionResult]:
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
