"""Fixtures of the API over a real Valkey."""

from collections.abc import AsyncIterator

import pytest

from tests.support.api_fixture import World, real_world


@pytest.fixture
async def world(valkey_url: str) -> AsyncIterator[World]:
    """The API over the run's Valkey, which is empty but for the account acme."""
    async with real_world(valkey_url) as found:
        yield found
