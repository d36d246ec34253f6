"""The hub that wakes those who watch inboxes."""

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from service.api import hub
from service.api.hub import Hub
from tests.fakes.clock import FakeClock
from tests.fakes.inbox import FakeInbox


class Stumbling(FakeInbox):
    """Fails once in a way that nobody foresaw."""

    def __init__(self) -> None:
        super().__init__(FakeClock(1))
        self.failed = False

    async def moved(self, positions: Mapping[str, str], timeout_s: float) -> Sequence[str]:
        if not self.failed:
            self.failed = True
            raise KeyError("an answer of another shape")
        return list(positions)


async def test_it_goes_on_for_those_who_watch_already(monkeypatch: pytest.MonkeyPatch) -> None:
    """A failure of its own does not leave them with silence."""
    monkeypatch.setattr(hub, "_AWAY_S", 0)
    changes = Stumbling()
    hubs = Hub(changes)
    with hubs.watch("alice", "0-0") as watcher:
        watcher.woken.clear()
        await asyncio.wait_for(watcher.woken.wait(), 30)
    assert changes.failed
    await hubs.close()
