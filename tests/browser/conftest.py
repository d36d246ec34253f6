"""Fixtures of the browser tests: Debian's Chromium, and the API on a real Valkey behind a real server."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, async_playwright

from service.model.recipient import Recipient
from service.settings import HttpSettings
from tests.browser.app_page import APP
from tests.e2e.api.served import served
from tests.support.api_fixture import ApiFixture, real_api
from tests.support.browser import CHROMIUM

# The application is not served from loopback but by the tests, so its page would need a permission to call the API.
_ARGUMENTS = ["--no-sandbox", "--disable-features=LocalNetworkAccessChecks"]


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """Yield a browser; skip the test where there is none."""
    if CHROMIUM is None:
        pytest.skip("needs chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=_ARGUMENTS)
        yield browser
        await browser.close()


@pytest.fixture
async def api(valkey_url: str) -> AsyncIterator[ApiFixture]:
    """Yield the API on a Valkey with the recipient alice; pages of APP may call it."""
    async with real_api(valkey_url, http=HttpSettings(cors_origins=APP)) as api:
        await api.writes.put_recipients([Recipient(id="alice", address="alice@example.com", version=1)])
        yield api


@pytest.fixture
async def base(api: ApiFixture) -> AsyncIterator[str]:
    """Yield the address at which the API is served."""
    async with served(api) as client:
        yield str(client.base_url).rstrip("/")
