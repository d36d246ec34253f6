"""What the API needs beyond `service.ports`: credentials, paged reads, the live inbox, limits, the log."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Protocol

from service.model.access import Account, ApiKey
from service.model.recipient import Contact, Recipient
from service.model.record import Message
from service.ports import InboxItem


class Publisher(Protocol):
    """Writes records to Kafka."""

    async def publish(self, messages: Sequence[Message]) -> None:
        """Return when every record is acknowledged by all in-sync replicas. Raises Unavailable."""
        ...


class RowLocks(Protocol):
    """One writer a row, so that what the topic holds and what Redis holds are written in the same order."""

    def hold(self, row: str) -> AbstractAsyncContextManager[None]:
        """Wait for the row and keep it for the block. Raises Unavailable when it stays taken."""
        ...


class Accounts(Protocol):
    """The credentials of accounts."""

    async def get(self, account: str) -> Account | None:
        """An account's row; None where there is none."""
        ...

    async def put(self, row: Account) -> bool:
        """Write a row; False where a newer version stands."""
        ...

    async def delete(self, account: str, version: int) -> bool:
        """Remove a row; False where a newer version stands."""
        ...


class ApiKeys(Protocol):
    """The hashed keys of services."""

    async def get(self, key: str) -> ApiKey | None:
        """A key by its id; None where there is none."""
        ...

    async def all(self) -> Sequence[ApiKey]:
        """Every key, revoked ones too, by id."""
        ...

    async def put(self, row: ApiKey) -> bool:
        """Write a key; False where a newer version stands."""
        ...

    async def delete(self, key: str, version: int) -> bool:
        """Forget a key; False where a newer version stands. Revoking one is a `put`, which says when."""
        ...


class RecipientDirectory(Protocol):
    """The recipients table in id order."""

    async def recipients(self, after: str, limit: int) -> Sequence[Recipient]:
        """At most `limit` rows whose ids come after `after` by their UTF-8 bytes. Raises Unavailable."""
        ...


class ContactPage(NamedTuple):
    """Some of an account's contacts, and how many it has in all."""

    total: int
    rows: Sequence[Contact]


class Contacts(Protocol):
    """The contacts of an account, for who reads through them."""

    async def page(self, account: str, offset: int, limit: int) -> ContactPage:
        """The main contact first, then by uuid; at most `limit`, 0 means all. Raises Unavailable."""
        ...


class ReadFilter(StrEnum):
    """Which inbox entries a reader wants."""

    unread = "unread"
    read = "read"
    all = "all"


@dataclass(frozen=True, slots=True)
class InboxQuery:
    """A page of an inbox. `types` empty means every type; `after` is a cursor that a page gave, or empty."""

    recipient: str
    shown: ReadFilter = ReadFilter.unread
    types: frozenset[str] = frozenset()
    descending: bool = False
    after: str = ""
    limit: int = 50


@dataclass(frozen=True, slots=True)
class InboxPage:
    """Entries by created_at; `cursor` asks for those after them, empty when there are no more."""

    items: Sequence[InboxItem]
    cursor: str = ""


class InboxChangeKind(StrEnum):
    """What happened to an inbox."""

    new = "new"
    read = "read"
    removed = "removed"


@dataclass(frozen=True, slots=True)
class InboxChange:
    """One change. `position` is where the stream stands after it; `item` is None unless an entry is new."""

    position: str
    kind: InboxChangeKind
    ids: Sequence[str]
    item: InboxItem | None = None


class InboxReads(Protocol):
    """What a reader of an inbox asks beyond its unread list."""

    async def page(self, query: InboxQuery) -> InboxPage:
        """One page. Raises ValueError for a cursor that no page gave."""
        ...


class InboxChanges(Protocol):
    """The change stream of each inbox, kept for a while."""

    async def position(self, recipient: str) -> str:
        """Where the stream stands now."""
        ...

    async def since(self, recipient: str, position: str) -> Sequence[InboxChange] | None:
        """The changes after a position, oldest first; None when some of them are no longer kept."""
        ...

    async def moved(self, positions: Mapping[str, str], timeout_s: float) -> Sequence[str]:
        """Wait until streams of these recipients stand after the given positions; which do.

        Empty at the timeout.
        """
        ...


@dataclass(frozen=True, slots=True)
class Quota:
    """What is left of a limit. `reset_s` is the time until it is whole again, in seconds, at least 1."""

    allowed: bool
    limit: int
    remaining: int
    window_s: int
    reset_s: int


class RateLimits(Protocol):
    """Counts requests against limits that all API processes share."""

    async def hit(self, limit: str, who: str) -> Quota:
        """Count one request of `who` against `limit` (`600/minute`). Raises Unavailable."""
        ...


class IdempotencyState(StrEnum):
    """What is known of an idempotency key."""

    first = "first"
    running = "running"
    mismatch = "mismatch"
    done = "done"


@dataclass(frozen=True, slots=True)
class IdempotencyRecord:
    """`answer` is what the first request was told; empty unless it is done."""

    repeat: IdempotencyState
    answer: bytes = b""


class Idempotency(Protocol):
    """Remembers requests by their Idempotency-Key, for a day."""

    async def begin(self, key: str, fingerprint: str) -> IdempotencyRecord:
        """Claim a key for a request with this fingerprint, or tell what became of the request that has it."""
        ...

    async def finish(self, key: str, fingerprint: str, answer: bytes) -> None:
        """Keep the answer."""
        ...

    async def release(self, key: str) -> None:
        """Forget a request that changed nothing, so that it may be sent again."""
        ...
