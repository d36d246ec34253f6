"""What the pipeline needs from the world: small Protocols. Each has one behaviour spec that fake and real pass."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from service.model.delivery import Delivery
from service.model.event import Event
from service.model.ledger import Entry, Reason, Replay, State
from service.model.mail import OutgoingMail, SendResult
from service.model.recipient import Choice, Contact, Group, Recipient
from service.model.suppression import Suppression
from service.model.unsubscribe import Unsubscribe


class Unavailable(Exception):
    """A dependency is away; nothing is wrong with the records. `reason` is one line for readiness."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Clock(Protocol):
    """The time, so that tests own it."""

    def now_ms(self) -> int:
        """Milliseconds since the epoch."""
        ...


@dataclass(slots=True)
class Wanted:
    """The rows a batch needs: recipient ids, (external_id, project_id) pairs, account ids, roles."""

    recipients: set[str] = field(default_factory=set)
    groups: set[tuple[str, str]] = field(default_factory=set)
    accounts: set[str] = field(default_factory=set)
    roles: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class RolePage:
    """Some holders of a role; `cursor` asks for those after them, None when there are no more."""

    members: Sequence[Recipient]
    cursor: str | None


@dataclass(slots=True)
class Rows:
    """What was found. An absent recipient, group or account is absent here too."""

    recipients: Mapping[str, Recipient] = field(default_factory=dict)
    groups: Mapping[tuple[str, str], Group] = field(default_factory=dict)
    accounts: Mapping[str, Sequence[Contact]] = field(default_factory=dict)
    roles: Mapping[str, RolePage] = field(default_factory=dict)


class Bar(NamedTuple):
    """What stands between a recipient and a type of mail: nothing, a suppression, an unsubscribe."""

    suppression: Suppression | None = None
    unsubscribed: Choice | None = None


class Tables(Protocol):
    """The recipient, contact, group and preference tables, read in batches."""

    async def lookup(self, wanted: Wanted) -> Rows:
        """All wanted rows in one pipeline (two when roles are wanted). Raises Unavailable, also while incomplete."""
        ...

    async def role(self, role: str, cursor: str, limit: int = 1000) -> RolePage:
        """The holders of a role after `cursor`, in id order."""
        ...

    async def suppressed(self, addresses: Sequence[str]) -> Sequence[bool]:
        """For each address whether it must not be mailed."""
        ...

    async def bars(self, asked: Sequence[tuple[str, str]]) -> Sequence[Bar]:
        """For each (address, unsubscribe key) what bars it, in one pipeline; an empty one is barred by nothing."""
        ...

    async def unsubscribed(self, key: str) -> Unsubscribe | None:
        """The unsubscribe of this `unsubscribe_key`."""
        ...

    async def suppression(self, address: str) -> Suppression | None:
        """Why and since when an address is not mailed; None when it is."""
        ...

    async def incomplete(self) -> str | None:
        """Why nothing may be sent yet; None when the tables are known to be complete."""
        ...


class TableWrites(Protocol):
    """Rows put by the APIs, the import and the changelog. A lower version never undoes a higher one."""

    async def put_recipients(self, rows: Sequence[Recipient]) -> Sequence[bool]:
        """Write rows with their role index; False where a newer version stands."""
        ...

    async def delete_recipient(self, recipient: str, version: int) -> bool:
        """Remove a row and its index entries."""
        ...

    async def put_group(self, row: Group) -> bool:
        """Write a group's map."""
        ...

    async def delete_group(self, external_id: str, project_id: str, version: int) -> bool:
        """Remove a group's map."""
        ...

    async def put_contacts(self, rows: Sequence[Contact]) -> Sequence[bool]:
        """Write contacts with their preferences."""
        ...

    async def delete_contact(self, account: str, uuid: str, version: int) -> bool:
        """Remove a contact and its preferences."""
        ...

    async def suppress(self, address: str, reason: Reason, at_ms: int, detail: str = "") -> None:
        """Stop mail to an address."""
        ...

    async def unsuppress(self, address: str) -> bool:
        """Allow mail again; False when it was not stopped."""
        ...

    async def put_suppression(self, key: str, row: Suppression) -> bool:
        """Stop mail to the address of this `address_key`; the row's time is its version."""
        ...

    async def delete_suppression(self, key: str, version: int) -> bool:
        """Allow mail again."""
        ...

    async def put_unsubscribe(self, row: Unsubscribe) -> bool:
        """Stop a type's mail to a recipient."""
        ...

    async def delete_unsubscribe(self, key: str, version: int) -> bool:
        """Let it go out again."""
        ...


class Opening(NamedTuple):
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


class Move(NamedTuple):
    """A move of one delivery. Written only if it stands in a state from which `to` may follow.

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
    replay: Replay = Replay.none


class Moved(NamedTuple):
    """What became of a move: `state` is where the delivery stands now, `owner` who claimed it."""

    applied: bool
    state: State | None
    owner: str = ""
    attempt: int = 0


class Ledger(Protocol):
    """The state of every delivery. Every call is one script a batch (one a slot on a cluster)."""

    async def open(self, heads: Sequence[EventHead], openings: Sequence[Opening]) -> Sequence[State]:
        """Enter deliveries that are not there yet; the state each has now, in order."""
        ...

    async def move(self, moves: Sequence[Move]) -> Sequence[Moved]:
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

    async def withdraw(self, event: str, at_ms: int) -> None:
        """Mark an event as taken back, whether or not it has been seen; sending checks it."""
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


class AddressSearch(Protocol):
    """Who has an address. Reads whole tables: for operators, not for stages."""

    async def holders(self, address: str) -> Sequence[str]:
        """Ids of recipients and contacts with this address, its case aside."""
        ...


@dataclass(frozen=True, slots=True)
class InboxItem:
    """An inbox entry. `number` is the type's documented number, 0 where it has none.

    `expires_ms`: gone after that time, 0 never. `read_ms`: when it was read, 0 not yet.
    """

    id: str
    recipient: str
    type: str
    number: int
    created_ms: int
    meta: Mapping[str, object]
    line: str = ""
    event: str = ""
    expires_ms: int = 0
    read_ms: int = 0


class Inbox(Protocol):
    """Inboxes. The unread count is always the length of the unread list."""

    async def add(self, items: Sequence[InboxItem]) -> Sequence[bool]:
        """Add entries; False for one that was there before, read or not."""
        ...

    async def remove(self, recipient: str, ids: Sequence[str]) -> int:
        """Take entries out again; how many were there."""
        ...

    async def counts(self, recipient: str) -> Mapping[str, int]:
        """Unread entries by type; types with none are absent."""
        ...

    async def unread(
        self, recipient: str, *, descending: bool = False, limit: int = 0
    ) -> Sequence[InboxItem]:
        """Unread entries by created_at; limit 0 means all."""
        ...

    async def mark_read(self, recipient: str, ids: Sequence[str], at_ms: int) -> Sequence[bool | None]:
        """True: now read, False: was read before, None: this recipient has no such entry."""
        ...

    async def were_read(self, entries: Sequence[tuple[str, str]]) -> Sequence[bool]:
        """For each (recipient, entry id) whether it stands there and has been read; in one pipeline."""
        ...

    async def owner(self, item: str) -> str | None:
        """Whose entry it is."""
        ...


@dataclass(frozen=True, slots=True)
class Due:
    """A delivery whose time has come, with the token that `settle` wants."""

    delivery: Delivery
    token: str


class DueSet(Protocol):
    """Deferred, held and digested mail, waiting in Redis for its time."""

    async def add(self, deliveries: Sequence[Delivery], due_ms: Sequence[int]) -> None:
        """Store or move; one place a delivery id."""
        ...

    async def take(self, now_ms: int, limit: int, lease_ms: int = 30_000) -> Sequence[Due]:
        """Lease what is due; it comes again after the lease unless settled."""
        ...

    async def settle(self, due: Sequence[Due]) -> None:
        """Remove what has been handed on."""
        ...

    async def oldest_ms(self) -> int | None:
        """The earliest due time; None when nothing waits."""
        ...

    async def times(self, deliveries: Sequence[str]) -> Sequence[int | None]:
        """For each delivery id when it is due (ms); None where it does not wait."""
        ...

    async def drop(self, deliveries: Sequence[str]) -> None:
        """Forget deliveries by their ids, leased or not."""
        ...


class SoftBounces(Protocol):
    """How often a mailbox could not take mail of late: a score that halves every week."""

    async def add(self, address_keys: Sequence[str], at_ms: int) -> Sequence[float]:
        """Add one to each; the scores now. A key named twice counts twice."""
        ...

    async def clear(self, address_key: str) -> None:
        """Forget an address."""
        ...


class Workers(Protocol):
    """Who is alive: a claim of a worker that is not tells an accident."""

    async def beat(self, owner: str, ttl_s: float) -> None:
        """Say that this worker lives for so long."""
        ...

    async def alive(self, owners: Sequence[str]) -> Sequence[bool]:
        """For each worker whether it lives."""
        ...


class Supersedes(Protocol):
    """For each supersede key the newest event."""

    async def supersede(self, items: Sequence[tuple[str, str, int]]) -> Sequence[str]:
        """Note (key, event, time in ms); the newest event of each key now."""
        ...

    async def newest(self, keys: Sequence[str]) -> Sequence[str | None]:
        """The newest event of each key; None where there is none."""
        ...


class Keyed(NamedTuple):
    """An event with a supersede key (`TYPE|KEY`). `keep_s`: how long it is to be remembered, in seconds."""

    key: str
    event: str
    time_ms: int
    keep_s: int


class Withdrawals(Protocol):
    """For each supersede key its recent events, and until when they are taken back."""

    async def note(self, items: Sequence[Keyed]) -> Sequence[int | None]:
        """Remember events; for each the time (ms) up to which its key is withdrawn, None where it is not."""
        ...

    async def withdraw(self, key: str, until_ms: int, keep_s: int) -> Sequence[str]:
        """Withdraw a key up to a time, the latest stays; the events of it that were noted up to this one."""
        ...


class MailTransport(Protocol):
    """Hands mail to relays."""

    def submit(self, mail: OutgoingMail) -> "asyncio.Future[SendResult]":
        """Queue a mail; the future never raises but for cancellation."""
        ...


class Renderer(Protocol):
    """Turns a delivery into what a person reads. Raises RenderFailed."""

    def email(self, delivery: Delivery, headers: Mapping[str, str]) -> bytes:
        """A whole RFC 5322 message, CRLF lines. `headers` are added to the standard ones."""
        ...

    def inbox_line(self, delivery: Delivery) -> str:
        """One line of plain text."""
        ...


class RenderFailed(Exception):
    """A template could not be rendered with this data; retrying does not help."""
