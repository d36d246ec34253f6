"""A supersede key that an earlier version stored with a time of a wrong clock is replaced by the next event."""

from collections.abc import AsyncIterator

import pytest

from service.adapters.redis.client import Store
from service.adapters.redis.delivery.supersede_index import RedisSupersedeIndex
from service.settings import RedisSettings
from tests.support.completeness import mark_complete


@pytest.fixture
async def store(valkey_url: str) -> AsyncIterator[Store]:
    store = Store(RedisSettings(url=valkey_url))  # type: ignore[arg-type]
    await mark_complete(store)
    yield store
    await store.close()


@pytest.mark.parametrize("stored", ["4070908800000\tfar", "253402300799000\tfar", "", "x", "5\t"])
async def test_a_time_that_is_far_ahead_counts_as_none(store: Store, stored: str) -> None:
    """Also a value that cannot be read."""
    index = RedisSupersedeIndex(store)
    await store.pipeline([("SET", store.keys.newest("k"), stored)])

    assert list(await index.supersede([("k", "real", 1_795_700_000_000)])) == ["real"]
    assert list(await index.newest(["k"])) == ["real"]
