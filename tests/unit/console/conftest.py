"""Fixtures: the console of an API over ports in memory, and sessions in it."""

from collections.abc import AsyncIterator

import pytest

from service.console.session import ConsoleSession
from service.console.state import Console
from tests.support.api_fixture import ApiFixture, fake_api

ORIGIN = "http://tocsin.test"
SAME_ORIGIN = {"Origin": ORIGIN, "Sec-Fetch-Site": "same-origin"}


@pytest.fixture
async def api() -> AsyncIterator[ApiFixture]:
    async with fake_api() as api:
        yield api


def console_of(api: ApiFixture) -> Console:
    console: Console = api.app.state.console
    return console


def signed_in(api: ApiFixture, *roles: str) -> ConsoleSession:
    """Sign the client in with these roles, and return the session."""
    session = ConsoleSession.begin(
        "tester", "Tester", roles or ("operator", "privacy"), api.clock.now_ms() / 1000
    )
    api.client.cookies.clear()
    keep(api, console_of(api).sessions.close(session))
    return session


def keep(api: ApiFixture, text: str) -> None:
    """Give the client a cookie, as a response would."""
    api.client.cookies.set("tocsin-console", text, domain="tocsin.test", path="/")


def current(api: ApiFixture) -> ConsoleSession | None:
    """Return the session that the client's cookie holds now."""
    text = api.client.cookies.get("tocsin-console") or ""
    return console_of(api).sessions.open(text, api.clock.now_ms() / 1000)
