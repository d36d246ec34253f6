"""Fixtures of the API on in-memory ports."""

from collections.abc import AsyncIterator

import pytest

from tests.support.api_fixture import ApiFixture, fake_api


@pytest.fixture
async def api() -> AsyncIterator[ApiFixture]:
    """Yield the API on in-memory ports, empty except for the account acme."""
    async with fake_api() as api:
        yield api
