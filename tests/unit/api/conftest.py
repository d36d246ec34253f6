"""Fixtures of the API on in-memory ports."""

from collections.abc import AsyncIterator

import pytest

from tests.support.api_fixture import World, fake_world


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """Yield the API on in-memory ports, empty except for the account acme."""
    async with fake_world() as world:
        yield world
