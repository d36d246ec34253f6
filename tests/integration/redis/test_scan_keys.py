"""Scans of the keys under one prefix."""

from uuid import uuid4

import pytest
from pydantic import SecretStr

from service import settings
from service.adapters.redis.client import Store
from tests.support.redis_cluster import shared_cluster
from tests.support.stack import shared_valkey


@pytest.fixture(params=["valkey", "cluster"])
def redis_settings(request: pytest.FixtureRequest) -> settings.RedisSettings:
    cluster = request.param == "cluster"
    url = shared_cluster() if cluster else shared_valkey().url
    return settings.RedisSettings(url=SecretStr(url), cluster=cluster)


async def test_glob_characters_in_the_prefix_match_only_themselves(
    redis_settings: settings.RedisSettings,
) -> None:
    """A scan returns every key under its prefix, on every server, and none under another prefix."""
    odd = f"{uuid4().hex}*?[a-z]^\\:"
    prefixes = (odd, odd.replace("*", "x"), odd.replace("?", "y"), odd.replace("[a-z]", "b"))
    stores = [Store(redis_settings.model_copy(update={"prefix": prefix})) for prefix in prefixes]
    keys = {
        prefix: {f"{prefix}{{r:{n}}}:row".encode() for n in range(300)} | {f"{prefix}{{r:x}}:inbox".encode()}
        for prefix in prefixes
    }
    try:
        for store, prefix in zip(stores, prefixes, strict=True):
            await store.pipeline([("SET", key, "1") for key in keys[prefix]])
        for store, prefix in zip(stores, prefixes, strict=True):
            every = {key async for names in store.scan_keys("*") for key in names}
            rows = {key async for names in store.scan_keys("{r:*}:row") for key in names}
            assert every == keys[prefix]
            assert rows == {key for key in every if key.endswith(b":row")}
    finally:
        for store in stores:
            await store.close()
