"""Fixtures of the API over memory."""

from collections.abc import AsyncIterator

import pytest

from tests.support.api_fixture import World, fake_world


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """The API over memory, empty but for the account acme."""
    async with fake_world() as found:
        yield found
