"""Fixtures of the API on a real Valkey."""

from collections.abc import AsyncIterator

import pytest

from tests.support.api_fixture import World, real_world


@pytest.fixture
async def world(valkey_url: str) -> AsyncIterator[World]:
    """Yield the API on the test run's Valkey, which is empty except for the account acme."""
    async with real_world(valkey_url) as world:
        yield world
