"""Finds drift in an inbox: lists, counts and entries that do not agree. There should never be any."""

from collections import Counter

from service.adapters.redis.client import Script, Store
from service.adapters.redis.inbox_rows import items_of
from service.ports import Clock

_DUMP = Script("inbox_lib", "inbox_dump")


async def drift(store: Store, clock: Clock, recipient: str) -> list[str]:
    """What disagrees, a line each; empty when all is well."""
    reply = await store.script(_DUMP, store.keys.inbox(recipient), clock.now_ms())
    entries, (every, unread, read, expiring), counted = reply[0], (set(ids) for ids in reply[1:5]), reply[5]
    items = {item.id.encode(): item for item in items_of(recipient, entries)}
    expected = {
        "all": (every, set(items)),
        "unread": (unread, {i for i, item in items.items() if not item.read_ms}),
        "read": (read, {i for i, item in items.items() if item.read_ms}),
        "expires": (expiring, {i for i, item in items.items() if item.expires_ms}),
    }
    found = [
        f"{name}: {len(has - should)} too many, {len(should - has)} missing"
        for name, (has, should) in expected.items()
        if has != should
    ]
    counts = {kind.decode(): int(count) for kind, count in zip(counted[::2], counted[1::2], strict=True)}
    truth = Counter(item.type for item in items.values() if not item.read_ms)
    found += (
        f"counts: {kind} says {counts.get(kind, 0)}, is {truth[kind]}"
        for kind in sorted(counts.keys() | truth.keys())
        if counts.get(kind, 0) != truth[kind]
    )
    return found
