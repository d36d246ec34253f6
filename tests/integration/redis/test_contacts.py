"""The sorted set from which pages of contacts are read."""

from redis.asyncio import Redis

from service.adapters.redis.client import Store
from service.adapters.redis.tables.contacts import RedisContacts
from service.adapters.redis.tables.tables import RedisTables
from service.adapters.redis.tables.writes import RedisTableWrites
from service.model.recipient import Contact


async def test_a_missing_order_is_rebuilt(store: Store, raw: Redis) -> None:
    """Every contact is on a page, also when the order is absent or part of it is lost."""
    await RedisTables(store).mark_complete()
    rows = [Contact(uuid=f"u{n}", account="acme", email="a@x.org", main=n == 2) for n in range(4)]
    await RedisTableWrites(store).put_contacts(rows)
    order = f"{store.keys.contacts('acme')}:order"
    contacts = RedisContacts(store)

    await raw.zrem(order, "u1")
    assert [row.uuid for row in (await contacts.page("acme", 0, 0)).rows] == ["u2", "u0", "u1", "u3"]
    await raw.delete(order)
    assert [row.uuid for row in (await contacts.page("acme", 1, 2)).rows] == ["u0", "u1"]
    assert await raw.zcard(order) == 4
