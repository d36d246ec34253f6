"""Fixtures of the API on a real Valkey."""

from collections.abc import AsyncIterator

import pytest

from tests.support.api_fixture import ApiFixture, real_api


@pytest.fixture
async def api(valkey_url: str) -> AsyncIterator[ApiFixture]:
    """Yield the API on the test run's Valkey, which is empty except for the account acme."""
    async with real_api(valkey_url) as api:
        yield api
