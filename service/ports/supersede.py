"""Supersede keys and withdrawals: the newest event of each key, and until when a key is withdrawn."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol


class SupersedableEvent(NamedTuple):
    """An event with a supersede key (`TYPE|KEY`). `keep_s`: how long it is remembered, in seconds."""

    key: str
    event: str
    time_ms: int
    keep_s: int


class SupersedeIndex(Protocol):
    """The newest event of each supersede key."""

    async def supersede(self, items: Sequence[tuple[str, str, int]]) -> Sequence[str]:
        """Note (key, event, time in ms). Return the newest event of each key now."""
        ...

    async def newest(self, keys: Sequence[str]) -> Sequence[str | None]:
        """Return the newest event of each key; None where there is none."""
        ...


class Withdrawals(Protocol):
    """The recent events of each supersede key, and until when the key is withdrawn."""

    async def note(self, items: Sequence[SupersedableEvent]) -> Sequence[int | None]:
        """Remember events. Return for each the time (ms) up to which its key is withdrawn, None where it is not."""
        ...

    async def withdraw(self, key: str, until_ms: int, keep_s: int) -> Sequence[str]:
        """Withdraw a key up to a time; a later one stays in force. Return its events noted up to this time."""
        ...

    async def times(self, items: Sequence[tuple[str, str]]) -> Sequence[int | None]:
        """Return for each (key, event) the time (ms) with which it was remembered; None for one that is not."""
        ...
