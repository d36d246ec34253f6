"""Inboxes outlive a caller whose clock is years ahead."""

import time

from service.adapters.redis.client import Store
from service.adapters.redis.inbox.inbox import RedisInbox
from service.ports import InboxItem
from tests.fakes.clock import FakeClock

DAY = 86_400_000


async def test_a_clock_that_is_years_ahead_drops_no_entry(store: Store) -> None:
    """Neither reading nor adding by it removes what has not expired, or lets the inbox expire early."""
    now = time.time_ns() // 1_000_000
    right, wrong = (RedisInbox(store, FakeClock(at)) for at in (now, now + 3650 * DAY))

    def item(name: str) -> InboxItem:
        return InboxItem(name, "alice", "overbid", 6, now, {}, "Line", "e1", expires_ms=now + 90 * DAY)

    assert list(await right.add([item("a")])) == [True]
    assert await wrong.counts("alice") == {"overbid": 1}
    assert list(await wrong.add([item("b")])) == [True]
    assert [one.id for one in await right.unread("alice")] == ["a", "b"]
    (left_ms,) = await store.pipeline([("PTTL", store.keys.inbox("alice"))])
    assert left_ms > 89 * DAY
