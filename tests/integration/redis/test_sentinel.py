"""Redis behind three real sentinels: found at the start, and followed when they fail over."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from service import settings
from service.adapters.redis.client import Store
from service.adapters.redis.inbox.changes import RedisInboxChanges
from service.adapters.redis.inbox.inbox import RedisInbox
from service.adapters.redis.inbox.rows import id_bytes
from service.ports import InboxItem, Unavailable
from tests.fakes.clock import FakeClock
from tests.support.redis_sentinels import RedisSentinels
from tests.support.wait import eventually

PASSWORD = "of-the-servers"
SENTINEL_PASSWORD = "of-the-sentinels"


@pytest.fixture
async def sentinels(tmp_path: Path) -> AsyncIterator[RedisSentinels]:
    async with RedisSentinels(tmp_path, password=PASSWORD, sentinel_password=SENTINEL_PASSWORD) as running:
        yield running


def store_of(sentinels: RedisSentinels, password: str = SENTINEL_PASSWORD) -> Store:
    redis = settings.RedisSettings(
        url=SecretStr(sentinels.url), sentinel_password=SecretStr(password), timeout=1.0
    )
    return Store(redis)


async def write(store: Store, name: str) -> bool:
    (added,) = await RedisInbox(store, FakeClock()).add([InboxItem(name, "bob", "t", 0, 1, {})])
    return added


async def works(store: Store, name: str) -> bool:
    try:
        await write(store, name)
    except Unavailable:
        return False
    return True


async def test_a_fail_over_of_living_servers_is_followed(sentinels: RedisSentinels) -> None:
    """Within a second or two of the promotion writes go to the new primary, and blocked reads too."""
    store = store_of(sentinels)
    assert all(await asyncio.gather(*(write(store, f"before-{n}") for n in range(50))))
    position = await RedisInboxChanges(store).position("bob")
    await sentinels.ask(0, "SENTINEL", "FAILOVER", "mymaster")
    await eventually(lambda: promoted(sentinels))
    started = time.monotonic()

    async def reaches_the_new_primary() -> bool:
        """Return whether a write does: until the sentinels have demoted the old one, it takes writes too."""
        name = f"after-{time.monotonic()}"
        key = store.keys.inbox("bob")
        return await works(store, name) and id_bytes(name) in await sentinels.command(
            sentinels.second.port, "HKEYS", key
        )

    await eventually(reaches_the_new_primary, 10)
    assert time.monotonic() - started < 3
    assert await RedisInboxChanges(store).wait_for_changes({"bob": position}, 5) == ["bob"]
    await store.close()


async def promoted(sentinels: RedisSentinels) -> bool:
    return await sentinels.primary() == sentinels.second.port


async def test_a_killed_primary_is_replaced(sentinels: RedisSentinels) -> None:
    """The store works as soon as the sentinels have agreed; one of them may be down, the first one too."""
    store = store_of(sentinels)
    assert await write(store, "before")
    sentinels.sentinels[0].stop()
    sentinels.first.kill()
    await eventually(lambda: promoted(sentinels), 30)
    started = time.monotonic()

    await eventually(lambda: works(store, "after"), 10)
    assert time.monotonic() - started < 2.5
    assert "after" in {item.id for item in await RedisInbox(store, FakeClock()).unread("bob")}
    await store.close()


async def test_an_old_primary_that_returns_is_not_used(sentinels: RedisSentinels) -> None:
    """It believes for a moment that it is the primary still: the sentinels' word counts."""
    store = store_of(sentinels)
    assert await write(store, "before")
    sentinels.first.kill()
    await eventually(lambda: promoted(sentinels), 30)
    await asyncio.to_thread(sentinels.first.start)
    other = store_of(sentinels)
    await eventually(lambda: works(other, "after"), 10)

    ids = await sentinels.command(sentinels.second.port, "HKEYS", other.keys.inbox("bob"))
    assert id_bytes("after") in ids
    await store.close()
    await other.close()


async def test_credentials_of_sentinels_are_their_own(sentinels: RedisSentinels) -> None:
    """With wrong ones no primary is found; the reason says so, and no secret."""
    store = store_of(sentinels, "wrong")
    with pytest.raises(Unavailable) as caught:
        await write(store, "refused")
    assert caught.value.reason == "redis: no sentinel knows a primary"
    await store.close()


async def test_an_unknown_service(sentinels: RedisSentinels) -> None:
    """A name that the sentinels do not know is unavailable, in words."""
    url = SecretStr(sentinels.url.replace("/mymaster/", "/another/"))
    store = Store(settings.RedisSettings(url=url, sentinel_password=SecretStr(SENTINEL_PASSWORD)))
    with pytest.raises(Unavailable, match="no sentinel knows a primary"):
        await write(store, "refused")
    await store.close()
