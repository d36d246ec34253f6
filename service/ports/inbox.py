"""Inboxes: entries added, read, counted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


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

    async def wait_for_changes(self, positions: Mapping[str, str], timeout_s: float) -> Sequence[str]:
        """Wait until streams of these recipients stand after the given positions; which do.

        Empty at the timeout.
        """
        ...
