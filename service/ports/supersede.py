"""Supersede keys and withdrawals: which event of a key is the newest, and which keys are withdrawn until when."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol


class SupersedableEvent(NamedTuple):
    """An event with a supersede key (`TYPE|KEY`). `keep_s`: how long it is to be remembered, in seconds."""

    key: str
    event: str
    time_ms: int
    keep_s: int


class SupersedeIndex(Protocol):
    """For each supersede key the newest event."""

    async def supersede(self, items: Sequence[tuple[str, str, int]]) -> Sequence[str]:
        """Note (key, event, time in ms); the newest event of each key now."""
        ...

    async def newest(self, keys: Sequence[str]) -> Sequence[str | None]:
        """The newest event of each key; None where there is none."""
        ...


class Withdrawals(Protocol):
    """For each supersede key its recent events, and until when they are taken back."""

    async def note(self, items: Sequence[SupersedableEvent]) -> Sequence[int | None]:
        """Remember events; for each the time (ms) up to which its key is withdrawn, None where it is not."""
        ...

    async def withdraw(self, key: str, until_ms: int, keep_s: int) -> Sequence[str]:
        """Withdraw a key up to a time, the latest stays; the events of it that were noted up to this one."""
        ...
