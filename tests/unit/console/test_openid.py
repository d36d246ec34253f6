"""Signing in at a real provider on loopback: the way there and back, and everything that must not work."""

import time
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic import SecretStr

from service.console.openid import OpenIdProvider
from service.ports import Unavailable
from service.settings import LimitSettings
from service.settings.console import ConsoleSettings
from tests.support.api_fixture import ApiFixture, fake_api
from tests.support.openid_provider import CLIENT, SECRET, Provider, openid_provider
from tests.unit.console.conftest import SAME_ORIGIN, console_of, current


@pytest.fixture(scope="module")
def shared() -> Iterator[Provider]:
    with openid_provider() as provider:
        yield provider


@pytest.fixture
def provider(shared: Provider) -> Provider:
    shared.reset()
    return shared


@pytest.fixture
async def api(provider: Provider) -> AsyncIterator[ApiFixture]:
    console = ConsoleSettings(
        issuer=provider.issuer,
        client_id=CLIENT,
        client_secret=SecretStr(SECRET),
        url="http://tocsin.test",
        roles={"operator": "operator", "readers": "viewer"},
    )
    async with fake_api(console=console) as api:
        yield api


async def go(api: ApiFixture, path: str = "/console/what-if") -> str:
    """Go to the provider for a page; return the address with which it sends the browser back."""
    response = await api.client.get("/console/sign-in/provider", params={"next": path})
    assert response.status_code == 303
    async with httpx.AsyncClient() as browser:
        back = (await browser.get(response.headers["location"])).headers["location"]
    assert back.startswith("http://tocsin.test/console/callback?")
    return str(back)


async def come_back(api: ApiFixture, back: str, **changes: str | None) -> httpx.Response:
    query = dict(parse_qsl(urlsplit(back).query)) | changes
    fields = {name: value for name, value in query.items() if value is not None}
    return await api.client.get("/console/callback", params=fields)


def refused(response: httpx.Response, api: ApiFixture, words: str) -> None:
    assert response.status_code == 400
    assert words in response.text
    assert current(api) is None


async def test_a_person_signs_in(api: ApiFixture) -> None:
    """They come to the page that they wanted, with the roles of their id token, under the provider's name for them."""
    response = await come_back(api, await go(api))

    assert (response.status_code, response.headers["location"]) == (303, "/console/what-if")
    session = current(api)
    assert session is not None
    assert (session.operator, session.name, session.roles) == (
        "console:u-1",
        "Olivia Operator",
        ("operator",),
    )
    assert "Olivia Operator" in (await api.client.get("/console/what-if")).text


async def test_an_attempt_works_once(api: ApiFixture) -> None:
    """The browser forgets it when it comes back, whatever came of it; and so does the provider."""
    back = await go(api)
    attempt = dict(api.client.cookies)
    await come_back(api, back)
    api.client.cookies.delete("tocsin-console", domain="tocsin.test", path="/")

    refused(await come_back(api, back), api, "another browser")
    name, text = next(item for item in attempt.items() if item[0].endswith("sign-in"))
    api.client.cookies.set(name, text, domain="tocsin.test", path="/")
    refused(await come_back(api, back), api, "refused the code: invalid_grant")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"state": "another"}, "another sign-in"),
        ({"state": None}, "another sign-in"),
        ({"iss": "https://evil.example"}, "another issuer"),
        ({"iss": None}, "does not say which issuer"),
        ({"code": "another"}, "refused the code: invalid_grant"),
        ({"code": None}, "has no code"),
        ({"code": None, "error": "access_denied"}, "answered: access_denied"),
        ({"error": "<script>alert(1)</script>"}, "&lt;script&gt;"),
    ],
)
async def test_an_answer_that_is_not_ours(api: ApiFixture, changes: dict[str, str], words: str) -> None:
    refused(await come_back(api, await go(api), **changes), api, words)


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ({"nonce": "another"}, "another sign-in"),
        ({"nonce": None}, "another sign-in"),
        ({"aud": "another-client"}, "another client"),
        ({"aud": [CLIENT, "another-client"]}, "issued to another client"),
        ({"aud": [CLIENT, "another-client"], "azp": "another-client"}, "issued to another client"),
        ({"azp": "another-client"}, "issued to another client"),
        ({"iss": "https://evil.example"}, "another issuer"),
        ({"exp": int(time.time()) - 600}, "has expired"),
        ({"exp": "soon"}, "not valid"),
        ({"sub": "line\nbreak"}, "not a name"),
        ({"sub": ""}, "not a name"),
        ({"sub": 7}, "not valid"),
    ],
)
async def test_an_id_token_that_is_not_for_us(
    api: ApiFixture, provider: Provider, claims: dict[str, Any], words: str
) -> None:
    provider.claims = claims
    refused(await come_back(api, await go(api)), api, words)


async def test_several_audiences(api: ApiFixture, provider: Provider) -> None:
    """An id token may be for others too, if it was issued to us."""
    provider.claims = {"aud": [CLIENT, "another-client"], "azp": CLIENT}
    await come_back(api, await go(api))
    assert current(api) is not None


async def test_a_token_of_another_key(api: ApiFixture, provider: Provider) -> None:
    provider.signing_key = rsa.generate_private_key(65537, 2048)
    refused(await come_back(api, await go(api)), api, "not valid")


@pytest.mark.parametrize("algorithm", ["HS256", "none", "RS384"])
async def test_another_algorithm(api: ApiFixture, provider: Provider, algorithm: str) -> None:
    """A token that is signed with what is no secret to the client, or not at all."""
    provider.algorithm, provider.signing_key = algorithm, SECRET if algorithm == "HS256" else None
    refused(await come_back(api, await go(api)), api, "algorithm is not accepted")


async def test_an_old_code(api: ApiFixture, provider: Provider) -> None:
    provider.code_age_s = 120
    refused(await come_back(api, await go(api)), api, "refused the code: invalid_grant")


async def test_an_attempt_that_took_too_long(api: ApiFixture) -> None:
    back = await go(api)
    api.clock.advance(601_000)
    refused(await come_back(api, back), api, "took too long")


async def test_another_browser(api: ApiFixture) -> None:
    """An address with a code and a state of another person's sign-in signs no one in: that would be their session."""
    back = await go(api)
    api.client.cookies.clear()
    refused(await come_back(api, back), api, "another browser")


async def test_a_person_without_a_role(api: ApiFixture, provider: Provider) -> None:
    provider.claims = {"roles": ["gardener"]}
    response = await come_back(api, await go(api))

    assert response.status_code == 403
    assert "no role" in response.text
    assert current(api) is None


async def test_a_sign_out_ends_both_sessions(api: ApiFixture) -> None:
    """Here, and by a page at the provider, which knows the way back."""
    await come_back(api, await go(api))
    session = current(api)
    assert session is not None
    response = await api.client.post("/console/sign-out", data={"csrf": session.token}, headers=SAME_ORIGIN)

    assert current(api) is None
    provider = console_of(api).provider
    assert provider is not None
    url = await provider.sign_out_url("http://tocsin.test/console/sign-in")
    assert url.replace("&", "&amp;") in response.text


async def test_callbacks_are_limited(provider: Provider) -> None:
    """One address cannot have the provider asked as often as it likes."""
    console = ConsoleSettings(issuer=provider.issuer, client_id=CLIENT, url="http://tocsin.test")
    async with fake_api(console=console, limits=LimitSettings(passwords="2/minute")) as api:
        statuses = [(await come_back(api, await go(api), code="guess")).status_code for _ in range(3)]
    assert statuses == [400, 400, 429]


async def test_a_provider_that_is_another() -> None:
    """A discovery document of another issuer, or with an address without TLS, is not used."""
    settings = ConsoleSettings(issuer="https://id.example.com", client_id="x")
    good = (
        b'{"issuer":"https://id.example.com","authorization_endpoint":"https://id.example.com/a",'
        b'"token_endpoint":"https://id.example.com/t","jwks_uri":"https://id.example.com/k"}'
    )
    assert await OpenIdProvider(settings, "", get=lambda _: good).sign_out_url("x") == ""
    for bad in (
        good.replace(b'"https://id.example.com"', b'"https://id.example.com/"', 1),
        good.replace(b'"https://id.example.com/t"', b'"http://id.example.com/t"'),
        b"[]",
        b"<html>",
    ):
        with pytest.raises(Unavailable):
            await OpenIdProvider(settings, "", get=lambda _, bad=bad: bad)._discovered()  # type: ignore[misc]


async def test_a_provider_that_is_away() -> None:
    """The page says so, and the console of those who are signed in works on."""
    console = ConsoleSettings(issuer="http://127.0.0.1:9", client_id="x", url="http://tocsin.test")
    async with fake_api(console=console) as api:
        response = await api.client.get("/console/sign-in/provider")
    assert response.status_code == 503
    assert response.headers["content-type"].startswith("text/html")
