"""The hub that wakes live inbox streams."""

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from service.api import hub
from service.api.hub import Hub
from tests.fakes.clock import FakeClock
from tests.fakes.inbox import FakeInbox


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
    hubs = Hub(changes)
    with hubs.watch("alice", "0-0") as watcher:
        watcher.woken.clear()
        await asyncio.wait_for(watcher.woken.wait(), 30)
    assert changes.failed
    await hubs.close()
