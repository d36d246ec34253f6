"""A Redis under a prefix of its own, and a plain client to read its keys directly."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from pydantic import SecretStr
from redis.asyncio import Redis

from service import settings
from service.adapters.redis.client import Store
from tests.support.stack import shared_valkey


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    opened = Store(settings.RedisSettings(url=SecretStr(shared_valkey().url), prefix=f"{uuid4().hex}:"))
    yield opened
    await opened.close()


@pytest.fixture
async def raw() -> AsyncIterator[Redis]:
    async with Redis.from_url(shared_valkey().url) as client:
        yield client
