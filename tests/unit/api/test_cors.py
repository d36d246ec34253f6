"""Cross-origin requests (WHATWG Fetch): which pages may call the API."""

from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from service.settings import HttpSettings, Settings
from tests.support.api_fixture import fake_api

ORIGINS = "https://app.example.com, https://*.tenants.example, http://localhost:*, https://x.example:8443"
ASKS = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}


def cors_headers(answer: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name.startswith("access-control")}


async def ask(method: str, path: str, origin: str, origins: str = ORIGINS, **headers: str) -> httpx.Response:
    """Return the response to a request of a page of this origin."""
    async with fake_api(http=HttpSettings(cors_origins=origins)) as api:
        bearer = {} if method == "OPTIONS" else api.bearer()
        return await api.client.request(method, path, headers={**bearer, "Origin": origin, **headers})


@pytest.mark.parametrize(
    "origin",
    [
        "https://app.example.com",
        "https://acme.tenants.example",
        "http://localhost",
        "http://localhost:9999",
        "https://x.example:8443",
    ],
)
async def test_a_page_that_may_call(origin: str) -> None:
    """It reads the response and its headers; no response allows credentials, and each varies by origin."""
    answer = await ask("GET", "/counts", origin)

    assert (answer.status_code, answer.headers["vary"]) == (200, "Origin")
    headers = cors_headers(answer)
    assert headers.pop("access-control-allow-origin") == origin
    assert {"ETag", "Retry-After"} <= set(headers.pop("access-control-expose-headers").split(", "))
    assert not headers


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "http://app.example.com",
        "https://app.example.com.evil.example",
        "https://app.example.com:8443",
        "https://tenants.example",
        "https://a.b.tenants.example",
        "https://evil.example#.tenants.example",
        "https://x.example",
        "null",
        "*",
        "https://APP.example.com",
        "x" * 400,
    ],
)
async def test_a_page_that_may_not(origin: str) -> None:
    """It gets no header that lets it read the response, neither for a request nor for a preflight."""
    for answer in (await ask("GET", "/counts", origin), await ask("OPTIONS", "/counts", origin, **ASKS)):
        assert (cors_headers(answer), answer.headers["vary"]) == ({}, "Origin")


async def test_preflight() -> None:
    """It names every method of the resource, the headers that clients send, and for how long that holds."""
    answer = await ask("OPTIONS", "/notifications/a", "https://app.example.com", **ASKS)

    headers = cors_headers(answer)
    assert (answer.status_code, answer.content) == (204, b"")
    assert headers["access-control-allow-methods"] == answer.headers["allow"] == "DELETE, OPTIONS"
    assert {"Authorization", "Last-Event-ID", "Content-Type"} <= set(
        headers["access-control-allow-headers"].split(", ")
    )
    assert (headers["access-control-max-age"], headers["access-control-allow-origin"]) == (
        "7200",
        "https://app.example.com",
    )
    assert "access-control-allow-credentials" not in headers


async def test_options_without_a_preflight() -> None:
    """A request of another kind has no answer to a preflight in its response."""
    answer = await ask("OPTIONS", "/counts", "https://app.example.com")

    assert "access-control-allow-methods" not in answer.headers


@pytest.mark.parametrize(
    ("path", "status"), [("/none", 404), ("/counts?x[]=1", 400), ("/v1/recipients", 403)]
)
async def test_a_page_reads_errors_too(path: str, status: int) -> None:
    """A page must be able to tell why a request failed."""
    answer = await ask("GET", path, "https://app.example.com")

    assert answer.status_code == status
    assert answer.headers["access-control-allow-origin"] == "https://app.example.com"


async def test_a_list_as_others_are_written() -> None:
    """JSON means the same as commas."""
    answer = await ask("GET", "/counts", "https://b.example", '["https://a.example", "https://b.example"]')

    assert answer.headers["access-control-allow-origin"] == "https://b.example"


async def test_off_by_default() -> None:
    """No page of another origin may call, and nothing varies; in dev mode those of this machine may."""
    assert Settings(mode="production").cors_origins == ""
    assert await _allowed(Settings(mode="dev"), "http://127.0.0.1:5500")
    assert not await _allowed(Settings(mode="dev"), "https://app.example.com")


async def _allowed(settings: Settings, origin: str) -> bool:
    answer = await ask("GET", "/counts", origin, settings.cors_origins)
    return "access-control-allow-origin" in answer.headers


@pytest.mark.parametrize(
    "origins",
    ["*", "https://*", "null", "app.example.com", "https://app.example.com/", "https://*.com:99x", "ftp://a.example",
     "https://a.*.example", "https://*.com", "https://Ä.example", "https://u:p@a.example"],
)  # fmt: skip
def test_values_that_are_no_origins(origins: str) -> None:
    """The error names the value and shows what is right."""
    fields: dict[str, Any] = {"cors_origins": f"https://app.example.com, {origins}"}

    with pytest.raises(ValidationError, match="is not an origin: write scheme, host"):
        HttpSettings(**fields)
