"""Inboxes: their entries, pages of them, and their change streams."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Protocol


class InboxItem(NamedTuple):
    """An inbox entry. `number` is the type's documented number, 0 where it has none.

    `expires_ms`: when it expires, 0 never. `read_ms`: when it was read, 0 not yet. `brand`: the key of the brand whose
    site its link leads to; empty for the default.
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
    brand: str = ""


class Inbox(Protocol):
    """The inboxes of recipients. The unread count is always the length of the unread list."""

    async def add(self, items: Sequence[InboxItem]) -> Sequence[bool]:
        """Add entries. Return False for one that existed before, read or not, and for one that has expired."""
        ...

    async def remove(self, recipient: str, ids: Sequence[str]) -> int:
        """Remove entries. Return how many there were."""
        ...

    async def counts(self, recipient: str) -> Mapping[str, int]:
        """Return the number of unread entries by type; types with none are absent."""
        ...

    async def unread(
        self, recipient: str, *, descending: bool = False, limit: int = 0
    ) -> Sequence[InboxItem]:
        """Return unread entries in order of created_at; limit 0 means all."""
        ...

    async def mark_read(self, recipient: str, ids: Sequence[str], at_ms: int) -> Sequence[bool | None]:
        """Mark entries as read. Return True: now read, False: read before, None: the recipient has no such entry."""
        ...

    async def were_read(self, entries: Sequence[tuple[str, str]]) -> Sequence[bool]:
        """Return for each (recipient, entry id) whether the entry exists and has been read; in one pipeline."""
        ...


class ReadFilter(StrEnum):
    """The inbox entries that a query selects."""

    unread = "unread"
    read = "read"
    all = "all"


@dataclass(frozen=True, slots=True)
class InboxQuery:
    """A query for a page of an inbox. `types` empty means every type; `after` is the cursor of a page, or empty."""

    recipient: str
    shown: ReadFilter = ReadFilter.unread
    types: frozenset[str] = frozenset()
    descending: bool = False
    after: str = ""
    limit: int = 50


@dataclass(frozen=True, slots=True)
class InboxPage:
    """Entries in order of created_at; `cursor` continues after them, empty when there are no more."""

    items: Sequence[InboxItem]
    cursor: str = ""


class InboxChangeKind(StrEnum):
    """The kinds of changes of an inbox."""

    new = "new"
    read = "read"
    removed = "removed"


@dataclass(frozen=True, slots=True)
class InboxChange:
    """A change of an inbox. `position` is that of the stream after it; `item` is None unless an entry is new."""

    position: str
    kind: InboxChangeKind
    ids: Sequence[str]
    item: InboxItem | None = None


class InboxReads(Protocol):
    """Queries for inbox entries, read ones included."""

    async def page(self, query: InboxQuery) -> InboxPage:
        """Return a page. Raise ValueError for a cursor that is not from a page."""
        ...


class InboxChanges(Protocol):
    """The change stream of each inbox; it is kept while a client reads it, and for an hour after."""

    async def position(self, recipient: str) -> str:
        """Return the current position of a recipient's stream; begin the stream where there is none."""
        ...

    async def since(self, recipient: str, position: str) -> Sequence[InboxChange] | None:
        """Return the changes after a position, oldest first; None when some of them are no longer kept."""
        ...

    async def wait_for_changes(self, positions: Mapping[str, str], timeout_s: float) -> Sequence[str]:
        """Wait until streams have changes after their positions, by recipient. Return the recipients of those.

        Empty at the timeout.
        """
        ...
