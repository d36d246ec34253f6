"""Signing in to the console in a browser, at a provider on loopback, and out again."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import pytest
from playwright.async_api import expect
from pydantic import SecretStr

from service.settings.console import ConsoleSettings
from tests.e2e.api.served import served
from tests.support.api_fixture import fake_api
from tests.support.browser import CHROMIUM, open_page
from tests.support.openid_provider import CLIENT, SECRET, Provider, openid_provider

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")


@pytest.fixture
def provider() -> Iterator[Provider]:
    with openid_provider() as provider:
        yield provider


@pytest.fixture
async def base(provider: Provider) -> AsyncIterator[str]:
    """Yield the address of an API whose console signs in at the provider."""
    console = ConsoleSettings(issuer=provider.issuer, client_id=CLIENT, client_secret=SecretStr(SECRET))
    async with fake_api(console=console) as api, served(api) as client:
        url = str(client.base_url).rstrip("/")
        state = api.app.state
        state.console = replace(state.console, url=url)  # the port is not known before
        state.console.provider.redirect_uri = f"{url}/console/callback"
        yield url


async def test_in_and_out(base: str, provider: Provider) -> None:
    """The page that one came for, as the provider names the person; then neither side knows them."""
    async with open_page("http://127.0.0.1:") as opened:
        page = opened.page
        await page.goto(f"{base}/console/what-if")
        await page.get_by_role("link", name="Sign in with 127.0.0.1").click()
        await expect(page.get_by_role("heading", name="What if")).to_be_visible()
        await expect(page.get_by_text("Olivia Operator")).to_be_visible()
        (cookie,) = await page.context.cookies()
        assert cookie["name"] == "tocsin-console"
        assert (cookie["httpOnly"], cookie["sameSite"], cookie["expires"]) == (True, "Lax", -1)

        await page.locator("details.person summary").click()
        await page.get_by_role("button", name="Sign out").click()
        await expect(page.get_by_role("heading", name="Tocsin console")).to_be_visible()
        assert [one["client_id"] for one in provider.sign_outs] == [CLIENT]
        assert await page.context.cookies() == []
        assert (opened.errors, opened.foreign) == ([], [])


@pytest.mark.parametrize(
    ("claims", "words"),
    [({"nonce": "x"}, "belongs to another sign-in"), ({"roles": []}, "no role in this console")],
)
async def test_what_does_not_sign_in(
    base: str, provider: Provider, claims: dict[str, object], words: str
) -> None:
    """The page says why, and leads back to the sign-in."""
    provider.claims = claims
    async with open_page("http://127.0.0.1:") as opened:
        page = opened.page
        await page.goto(f"{base}/console")
        await page.get_by_role("link", name="Sign in with 127.0.0.1").click()
        await expect(page.get_by_text(words)).to_be_visible()
        await page.get_by_role("link", name="Sign in again").click()
        await expect(page.get_by_role("link", name="Sign in with 127.0.0.1")).to_be_visible()
