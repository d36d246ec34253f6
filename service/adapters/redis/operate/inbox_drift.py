"""Finds drift in an inbox: lists, counts and entries that do not agree. There should never be any."""

from collections import Counter

from service.adapters.redis.client import Script, Store
from service.adapters.redis.inbox.rows import items_of, unread_counts
from service.ports import Clock

_DUMP = Script("inbox_lib", "inbox_dump")


async def drift(store: Store, clock: Clock, recipient: str) -> list[str]:
    """What disagrees, a line each; empty when all is well."""
    reply = await store.script(_DUMP, store.keys.inbox(recipient), clock.now_ms())
    entries, unread, read, counted = reply[0], set(reply[1]), set(reply[2]), reply[3]
    items = {item.id.encode(): item for item in items_of(recipient, entries)}
    expected = {
        "unread": (unread, {i for i, item in items.items() if not item.read_ms}),
        "read": (read, {i for i, item in items.items() if item.read_ms}),
    }
    found = [
        f"{name}: {len(has - should)} too many, {len(should - has)} missing"
        for name, (has, should) in expected.items()
        if has != should
    ]
    counts = unread_counts(counted)
    truth = Counter(item.type for item in items.values() if not item.read_ms)
    found += (
        f"counts: {kind} says {counts.get(kind, 0)}, is {truth[kind]}"
        for kind in sorted(counts.keys() | truth.keys())
        if counts.get(kind, 0) != truth[kind]
    )
    ends = [item.expires_ms for item in items.values() if item.expires_ms]
    times = dict(zip(counted[::2], counted[1::2], strict=True))
    if ends and int(times.get(b"@next", 2**53)) > min(ends):
        found.append("expiry: an entry ends before the time that is noted")
    if (
        items
        and int(times.get(b"@last", 2**53)) != 0
        and (len(ends) < len(items) or int(times[b"@last"]) < max(ends))
    ):
        found.append("expiry: an entry outlives the time that is noted")
    return found
