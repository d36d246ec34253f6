"""Wakes those who watch an inbox: one wait on Redis for all of them, whatever their number."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from service.ports import InboxChanges, Unavailable

log = logging.getLogger(__name__)

_WAIT_S = 5.0
_SETTLE_S = 0.02  # joins that come together cost one new wait
_AWAY_S = 1.0
_MOST_A_RECIPIENT = 20
_MOST = 10_000


class TooMany(Exception):
    """There are as many watchers as may be."""


class Watcher:
    """One who watches. `woken` is set when there may be something new, or when it is time to go."""

    def __init__(self) -> None:
        self.woken = asyncio.Event()


class Hub:
    """Watchers by recipient.

    It only wakes them: each reads at its own pace, so a slow one costs no memory here.
    """

    def __init__(self, changes: InboxChanges) -> None:
        self.closing = False
        self._changes = changes
        self._watchers: defaultdict[str, set[Watcher]] = defaultdict(set)
        self._positions: dict[str, str] = {}
        self._joined = asyncio.Event()
        self._pump: asyncio.Task[None] | None = None

    @contextmanager
    def watch(self, recipient: str, position: str) -> Iterator[Watcher]:
        """Be woken when this inbox's stream stands after `position`. Raises TooMany."""
        if len(self._watchers) >= _MOST or len(self._watchers.get(recipient, ())) >= _MOST_A_RECIPIENT:
            raise TooMany
        watcher = Watcher()
        self._watchers[recipient].add(watcher)
        self._positions.setdefault(recipient, position)
        watcher.woken.set()  # what came between the position and the wait
        self._joined.set()
        if self._pump is None or self._pump.done():
            self._pump = asyncio.create_task(self._run(), name="inbox-hub")
        try:
            yield watcher
        finally:
            self._watchers[recipient].discard(watcher)
            if not self._watchers[recipient]:
                del self._watchers[recipient], self._positions[recipient]

    async def close(self) -> None:
        """Let every watcher go."""
        self.closing = True
        for watchers in self._watchers.values():
            for watcher in watchers:
                watcher.woken.set()
        if self._pump is not None:
            self._pump.cancel()
            with suppress(asyncio.CancelledError):
                await self._pump

    async def _run(self) -> None:
        while self._watchers:
            self._joined.clear()
            try:
                moved = await self._moved_or_joined()
                for recipient in moved:
                    position = await self._changes.position(recipient)
                    if recipient in self._positions:
                        self._positions[recipient] = position
                        for watcher in self._watchers[recipient]:
                            watcher.woken.set()
            except Unavailable as error:
                log.warning("live inboxes wait: %s", error)
                await asyncio.sleep(_AWAY_S)
            except Exception:  # nobody else would start it again for those who watch already
                log.exception("live inboxes stumbled and go on")
                await asyncio.sleep(_AWAY_S)

    async def _moved_or_joined(self) -> list[str]:
        """Whose streams have moved; nobody's when somebody has joined, who must be waited for too."""
        waiting = asyncio.ensure_future(self._changes.moved(dict(self._positions), _WAIT_S))
        joining = asyncio.ensure_future(self._joined.wait())
        try:
            await asyncio.wait({waiting, joining}, return_when=asyncio.FIRST_COMPLETED)
            if waiting.done():
                return list(waiting.result())
            await asyncio.sleep(_SETTLE_S)
            return []
        finally:
            for task in (waiting, joining):
                task.cancel()
            await asyncio.gather(waiting, joining, return_exceptions=True)
