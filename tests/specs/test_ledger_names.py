"""Names that heads of events share: every process reads them, and a head without a code has its names itself."""

import pytest

from service.adapters.redis.client import Store
from service.adapters.redis.ledger import names
from service.adapters.redis.ledger.ledger import RedisLedger
from service.adapters.redis.ledger.names import code_of
from service.model.event import Event
from service.model.ids import event_key
from service.ports import EventHead, EventPosition

NAMES = "\x1f".join(("type1", "topic1", "/source1"))


def head(n: int) -> EventHead:
    event = Event(event_key(f"/source{n}", "1"), "1", f"/source{n}", f"type{n}", 1, 2, {})
    return EventHead(event, 3600, 1, EventPosition(f"topic{n}", 0, n))


async def check(store: Store, *numbers: int) -> None:
    """Each head is read by a process that has not written it."""
    ledger = RedisLedger(store)
    for n in numbers:
        kept = await ledger.head(head(n).event.key)
        assert kept is not None
        assert (kept["source"], kept["type"], kept["position"]) == (
            f"/source{n}",
            f"type{n}",
            f"topic{n}:0:{n}",
        )


async def test_another_process_reads_the_names(store: Store) -> None:
    """Redis has each name once, however many events have it."""
    for n in (1, 1, 2):
        await RedisLedger(store).open([head(n)], [])

    await check(store, 1, 2)
    (stored,) = await store.pipeline([("HGETALL", store.keys.names)])
    expected = {"\x1f".join((f"type{n}", f"topic{n}", f"/source{n}")) for n in (1, 2)}
    assert {name.decode() for name in stored.values()} == expected


async def test_names_without_room_are_written_out(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of names is bounded; events with other names have their source themselves, and then all names."""
    monkeypatch.setattr(names, "_MOST", 4)
    monkeypatch.setattr(names, "_RESERVE", 1)
    ledger = RedisLedger(store)
    await ledger.open([head(n) for n in range(5)], [])
    await ledger.open([head(5)], [])

    await check(store, *range(6))
    assert await store.pipeline([("HLEN", store.keys.names)]) == [5]


async def test_two_names_with_one_code_are_not_mixed_up(store: Store) -> None:
    """The second one is written out."""
    await store.pipeline([("HSET", store.keys.names, code_of(NAMES), "/another")])
    await RedisLedger(store).open([head(1)], [])

    await check(store, 1)
    assert await store.pipeline([("HGET", store.keys.names, code_of(NAMES))]) == [b"/another"]


async def test_names_that_redis_has_lost_hide_no_event(store: Store) -> None:
    """The head is read without them; a process that writes the next event stores them again."""
    await RedisLedger(store).open([head(1)], [])
    await store.pipeline([("DEL", store.keys.names)])

    kept = await RedisLedger(store).head(head(1).event.key)
    assert kept is not None
    assert (kept["id"], kept["source"]) == ("1", "")
    await RedisLedger(store).open([head(1)], [])
    await check(store, 1)
