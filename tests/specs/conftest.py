"""Backends of the specs: the fakes, one real Valkey, and a real cluster of three."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from pydantic import SecretStr

from service import settings
from service.adapters.redis.client import Store
from tests.specs.backend import Backend, fake_backend, redis_backend
from tests.support.redis_cluster import shared_cluster
from tests.support.stack import shared_valkey


@pytest.fixture(params=["valkey", "cluster"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    """Yield a Redis under a prefix of its own for this test."""
    cluster = request.param == "cluster"
    url = shared_cluster() if cluster else shared_valkey().url
    opened = Store(settings.RedisSettings(url=SecretStr(url), cluster=cluster, prefix=f"{uuid4().hex}:"))
    yield opened
    await opened.close()


@pytest.fixture(params=["fake", "valkey", "cluster"])
async def backend(request: pytest.FixtureRequest) -> AsyncIterator[Backend]:
    """Yield every port, empty."""
    if request.param == "fake":
        yield fake_backend()
        return
    cluster = request.param == "cluster"
    url = shared_cluster() if cluster else shared_valkey().url
    opened = Store(settings.RedisSettings(url=SecretStr(url), cluster=cluster, prefix=f"{uuid4().hex}:"))
    yield redis_backend(opened)
    await opened.close()
