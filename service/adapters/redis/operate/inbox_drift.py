"""Drift in an inbox: lists, counts and entries that do not agree. There should never be any."""

from collections import Counter

from service.adapters.redis.client import Store
from service.adapters.redis.inbox.rows import id_bytes, items_of, unread_counts
from service.adapters.redis.script_batch import Script
from service.ports import Clock

_DUMP = Script("inbox_functions", "inbox_dump")


async def inbox_drift(store: Store, clock: Clock, recipient: str) -> list[str]:
    """Return the inconsistencies of an inbox, one line each; empty when there are none."""
    reply = await store.run_script(_DUMP, store.keys.inbox(recipient), clock.now_ms())
    entries, unread, read, counted = reply[0], set(reply[1]), set(reply[2]), reply[3]
    items = {id_bytes(item.id): item for item in await items_of(recipient, entries)}
    lists = {
        "unread": (unread, {i for i, item in items.items() if not item.read_ms}),
        "read": (read, {i for i, item in items.items() if item.read_ms}),
    }
    drift = [
        f"{name}: {len(stored - expected)} too many, {len(expected - stored)} missing"
        for name, (stored, expected) in lists.items()
        if stored != expected
    ]
    counts = unread_counts(counted)
    expected_counts = Counter(item.type for item in items.values() if not item.read_ms)
    drift += (
        f"counts: {type_} is stored as {counts.get(type_, 0)}, but has {expected_counts[type_]}"
        for type_ in sorted(counts.keys() | expected_counts.keys())
        if counts.get(type_, 0) != expected_counts[type_]
    )
    expiries = [item.expires_ms for item in items.values() if item.expires_ms]
    times = dict(zip(counted[::2], counted[1::2], strict=True))
    if expiries and int(times.get(b"@next", 2**53)) > min(expiries):
        drift.append("expiry: an entry expires before the stored next expiry")
    if (
        items
        and int(times.get(b"@last", 2**53)) != 0
        and (len(expiries) < len(items) or int(times[b"@last"]) < max(expiries))
    ):
        drift.append("expiry: an entry expires after the stored last expiry, or never")
    return drift
