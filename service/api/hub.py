"""Wakes the live inbox streams of this process through one blocking read on Redis, however many there are."""

import asyncio
import time
from collections import defaultdict
from contextlib import suppress
from typing import Protocol

import structlog

from service.api.timetable import Timetable
from service.ports import InboxChanges, Unavailable

log = structlog.get_logger(__name__)

_WAIT_S = 5.0
_SETTLE_S = 0.02  # watchers that join together cost one new read
_RETRY_S = 1.0
_MAX_PER_RECIPIENT = 20
_MAX_RECIPIENTS = 10_000


class TooManyWatchers(Exception):
    """The recipient, or this process, has as many watchers as are allowed."""


class Watcher(Protocol):
    """One live stream."""

    def wake(self) -> None:
        """Read the changes, if there are any; end the stream, if the hub closes. Must not block."""
        ...


class Hub:
    """Watchers by recipient.

    The hub only wakes them: each watcher reads at its own pace, so a slow one costs no memory here.
    """

    def __init__(self, changes: InboxChanges) -> None:
        self.closing = False
        self.timetable = Timetable()
        """Calls the watchers when they are due."""
        self._changes = changes
        self._watchers: defaultdict[str, set[Watcher]] = defaultdict(set)
        self._positions: dict[str, str] = {}
        self._joined = asyncio.Event()
        self._pump: asyncio.Task[None] | None = None
        self._round_s = 0.0
        """When the pump last began to wait for changes (monotonic)."""

    def watch(self, recipient: str, position: str, watcher: Watcher) -> None:
        """Wake a watcher whenever this inbox has changes after `position`, until `unwatch`. Raise TooManyWatchers.

        A change between `position` and now wakes no watcher: it must read the changes once by itself.
        """
        if (
            len(self._watchers) >= _MAX_RECIPIENTS
            or len(self._watchers.get(recipient, ())) >= _MAX_PER_RECIPIENT
        ):
            raise TooManyWatchers
        self._watchers[recipient].add(watcher)
        self._positions.setdefault(recipient, position)
        self._joined.set()
        if self._pump is None or self._pump.done():
            self._round_s = time.monotonic()
            self._pump = asyncio.create_task(self._run(), name="inbox-hub")

    def unwatch(self, recipient: str, watcher: Watcher) -> None:
        """Forget a watcher; nothing where it was forgotten before."""
        watchers = self._watchers.get(recipient)
        if watchers is None:
            return
        watchers.discard(watcher)
        if not watchers:
            del self._watchers[recipient], self._positions[recipient]

    def stalled_s(self) -> float:
        """Return for how long the watchers have not been served, in seconds; an outage of Redis does not count."""
        return time.monotonic() - self._round_s if self._watchers and not self.closing else 0.0

    async def close(self) -> None:
        """Wake every watcher, so that its stream ends, and stop reading."""
        self.closing = True
        for watcher in [one for watchers in self._watchers.values() for one in watchers]:
            watcher.wake()
        if self._pump is not None:
            self._pump.cancel()
            with suppress(asyncio.CancelledError):
                await self._pump

    async def _run(self) -> None:
        while self._watchers:
            self._joined.clear()
            self._round_s = time.monotonic()
            try:
                for recipient in await self._changed_recipients():
                    position = await self._changes.position(recipient)
                    if recipient in self._positions:
                        self._positions[recipient] = position
                        for watcher in self._watchers[recipient]:
                            watcher.wake()
            except Unavailable as error:
                log.warning("inbox_changes_unavailable", error=str(error))
                await asyncio.sleep(_RETRY_S)
            except (
                Exception
            ):  # only a new watcher restarts this task: those already connected would get no more events
                log.exception("inbox_hub_failed")
                await asyncio.sleep(_RETRY_S)

    async def _changed_recipients(self) -> list[str]:
        """Return the recipients whose inboxes changed; an empty list as soon as a watcher joins."""
        change = asyncio.ensure_future(self._changes.wait_for_changes(dict(self._positions), _WAIT_S))
        join = asyncio.ensure_future(self._joined.wait())
        try:
            await asyncio.wait({change, join}, return_when=asyncio.FIRST_COMPLETED)
            if change.done():
                return list(change.result())
            await asyncio.sleep(_SETTLE_S)
            return []
        finally:
            for task in (change, join):
                task.cancel()
            await asyncio.gather(change, join, return_exceptions=True)
