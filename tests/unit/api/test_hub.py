"""The hub that wakes live inbox streams."""

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from service.api import hub
from service.api.hub import Hub
from tests.fakes.clock import FakeClock
from tests.fakes.inbox import FakeInbox
from tests.support.wait import eventually


class Watching:
    """A watcher that only notes that it was woken."""

    def __init__(self) -> None:
        self.woken = asyncio.Event()

    def wake(self) -> None:
        self.woken.set()


class FailingOnce(FakeInbox):
    """An inbox whose first wait for changes raises an unexpected error."""

    def __init__(self) -> None:
        super().__init__(FakeClock(1))
        self.failed = False

    async def wait_for_changes(self, positions: Mapping[str, str], timeout_s: float) -> Sequence[str]:
        if not self.failed:
            self.failed = True
            raise KeyError("a reply of another shape")
        return list(positions)


async def test_the_hub_recovers_for_connected_watchers(monkeypatch: pytest.MonkeyPatch) -> None:
    """After an unexpected error the hub retries, without a new watcher to restart it."""
    monkeypatch.setattr(hub, "_RETRY_S", 0)
    changes = FailingOnce()
    hubs, watcher = Hub(changes), Watching()
    hubs.watch("alice", "0-0", watcher)
    await asyncio.wait_for(watcher.woken.wait(), 30)
    assert changes.failed
    await hubs.close()


class NeverReturning(FakeInbox):
    """An inbox whose wait for changes ends at no timeout."""

    async def wait_for_changes(self, positions: Mapping[str, str], timeout_s: float) -> Sequence[str]:
        await asyncio.Event().wait()
        return []


async def test_a_hub_that_serves_no_watcher_is_stalled() -> None:
    """Only while there are watchers; without work there is nothing to be late with."""
    hubs, watcher = Hub(NeverReturning(FakeClock(1))), Watching()
    assert hubs.stalled_s() == 0
    hubs.watch("alice", "0-0", watcher)
    await eventually(lambda: hubs.stalled_s() > 0.1)
    hubs.unwatch("alice", watcher)
    assert hubs.stalled_s() == 0
    await hubs.close()
