"""The sorted set from which pages of contacts are read."""

from redis.asyncio import Redis

from service.adapters.redis.client import Store
from service.adapters.redis.tables.contacts import RedisContacts
from service.adapters.redis.tables.writes import RedisTableWrites
from service.model.recipient import Contact
from tests.support.completeness import mark_complete


async def test_a_missing_order_is_rebuilt(store: Store, raw: Redis) -> None:
    """Every contact is on a page, also when the order is absent or part of it is lost."""
    await mark_complete(store)
    rows = [Contact(uuid=f"u{n}", account="acme", email="a@x.org", main=n == 2) for n in range(4)]
    await RedisTableWrites(store).put_contacts(rows)
    order = f"{store.keys.contacts('acme')}:order"
    contacts = RedisContacts(store)

    await raw.zrem(order, "u1")
    assert [row.uuid for row in (await contacts.page("acme", 0, 0)).rows] == ["u2", "u0", "u1", "u3"]
    await raw.delete(order)
    assert [row.uuid for row in (await contacts.page("acme", 1, 2)).rows] == ["u0", "u1"]
    assert await raw.zcard(order) == 4


async def test_old_tombstones_go(store: Store) -> None:
    """An account that deletes contacts every day does not keep the tombstones of all of them."""
    writes, key, day_ms = RedisTableWrites(store), store.keys.contacts("acme"), 86_400_000
    for n in range(400):
        await writes.delete_contact("acme", f"u{n}", 1_700_000_000_000 + n * day_ms)

    (kept,) = await store.pipeline([("HKEYS", f"{key}:gone")])
    assert len(kept) < 60
    assert {f"u{n}".encode() for n in range(371, 400)} <= set(kept)
