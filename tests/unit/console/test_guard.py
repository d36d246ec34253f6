"""What reaches a route: requests of those who are signed in, have the right, and come from a page of ours."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import pytest
from fastapi.routing import APIRoute

from service.console.guard import GuardedRoute
from service.console.routes import routers
from service.model.worker import WorkerReport
from service.ports import Unavailable
from tests.support.api_fixture import ApiFixture
from tests.unit.console.conftest import ORIGIN, SAME_ORIGIN, console_of, current, signed_in

_OF_EVERY_ROLE = {"/console/sign-out", "/console/what-if"}
"""Routes with POST that change nothing but the caller's session, or nothing at all."""


def _routes(*methods: str) -> Iterator[str]:
    routes = (route for router in routers() for route in router.routes if isinstance(route, APIRoute))
    for route in routes:
        if isinstance(route, GuardedRoute) and route.methods & set(methods):
            yield re.sub(r"\{[^}]+\}", "0", route.path)


def test_routes_are_guarded() -> None:
    """All but the sign-in and the files."""
    routes = (route for router in routers() for route in router.routes if isinstance(route, APIRoute))
    open_paths = {route.path for route in routes if not isinstance(route, GuardedRoute)}
    assert open_paths == {
        "/console/assets/{version}/{name}",
        "/console/callback",
        "/console/sign-in",
        "/console/sign-in/dev",
        "/console/sign-in/provider",
    }


WRITES = sorted(_routes("POST", "PUT", "PATCH", "DELETE"))
READS = sorted(_routes("GET"))


@pytest.mark.parametrize("path", WRITES)
async def test_a_viewer_writes_nothing(api: ApiFixture, path: str) -> None:
    """Every route that changes something is refused to those who may only read; the enumeration finds new ones."""
    session = signed_in(api, "viewer")
    response = await api.client.post(path, data={"csrf": session.token}, headers=SAME_ORIGIN)

    assert response.status_code == 403 or path in _OF_EVERY_ROLE
    assert api.publisher.messages == []


@pytest.mark.parametrize("path", WRITES)
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
        {"Origin": "http://evil.tocsin.test", "Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "null", "Sec-Fetch-Site": "cross-site"},
        {"Origin": "https://evil.example", "Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
        {},
    ],
)
async def test_a_forged_request_is_refused(api: ApiFixture, path: str, headers: dict[str, str]) -> None:
    """Even with the token: a page of another origin cannot have it, but one day it might."""
    session = signed_in(api)
    response = await api.client.post(path, data={"csrf": session.token}, headers=headers)

    assert response.status_code == 403
    assert "not sent by a page of this console" in response.text


@pytest.mark.parametrize("path", WRITES)
@pytest.mark.parametrize("token", ["", "x", "another"])
async def test_a_request_needs_the_token_of_its_session(api: ApiFixture, path: str, token: str) -> None:
    if token == "another":
        token = signed_in(api).token
    signed_in(api)

    for form, header in (({"csrf": token}, {}), ({}, {"X-CSRF-Token": token})):
        response = await api.client.post(path, data=form, headers={**SAME_ORIGIN, **header})
        assert response.status_code == 403
        assert "another session" in response.text


@pytest.mark.parametrize("headers", [{"Origin": ORIGIN}, {"Origin": "null", "Sec-Fetch-Site": "same-origin"}])
async def test_pages_of_ours_are_believed(api: ApiFixture, headers: dict[str, str]) -> None:
    """A browser without Fetch Metadata names the origin; one with it may leave the origin out, as of a form."""
    session = signed_in(api, "privacy")
    response = await api.client.post(
        "/console/addresses", data={"csrf": session.token, "show": "yes"}, headers=headers
    )
    assert response.status_code == 303


@pytest.mark.parametrize("path", READS + WRITES)
async def test_everything_needs_a_session(api: ApiFixture, path: str) -> None:
    """A page sends one to sign in, and back; a part of a page has htmx leave the page."""
    method = "GET" if path in READS else "POST"
    response = await api.client.request(method, path, headers=SAME_ORIGIN)
    part = await api.client.request(method, path, headers={**SAME_ORIGIN, "HX-Request": "true"})

    assert response.status_code == (303 if method == "GET" else 401)
    assert part.status_code == 401
    assert part.headers["hx-redirect"] == "/console/sign-in"


@pytest.mark.parametrize("path", READS)
async def test_a_session_without_a_role_reads_nothing(api: ApiFixture, path: str) -> None:
    signed_in(api, "no-such-role")
    assert (await api.client.get(path)).status_code == 403


async def test_the_way_back_stays_here(api: ApiFixture) -> None:
    """The page that one came for is continued with after the sign-in, if it is one of the console."""
    response = await api.client.get("/console/search?q=a%26b&type=overbid")
    page = await api.client.get(response.headers["location"])
    assert 'value="/console/search?q=a%26b&amp;type=overbid"' in page.text
    for evil in (
        "https://evil.example",
        "//evil.example",
        "/consolex",
        "/console\\@evil",
        "/v1/events",
        "/console?a\nb",
    ):
        page = await api.client.get("/console/sign-in", params={"next": evil})
        assert 'name="next" value="/console"' in page.text, evil


async def test_the_policy_of_every_page(api: ApiFixture) -> None:
    """No inline script or style, nothing from elsewhere, no frame; and no page stays in a cache."""
    signed_in(api)
    for path in ("/console/sign-in", *(path for path in READS if path != "/console/tail/stream")):
        response = await api.client.get(path)
        policy = response.headers["content-security-policy"]
        assert "unsafe" not in policy
        assert "default-src 'none'; script-src 'self'; style-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert response.headers["cache-control"] == "no-store"
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\son[a-z]+=|\sstyle=|javascript:", response.text)
        assert not re.search(r"https?://(?!127\.0\.0\.1|localhost)", response.text)


class _Away:
    """Redis while it does not answer, as the ports of the console meet it."""

    async def contains(self, session: str) -> bool:
        raise Unavailable("redis: connection refused")

    async def add(self, session: str, lifetime_s: int) -> None:
        raise Unavailable("redis: connection refused")

    async def current(self, now_ms: int) -> Sequence[WorkerReport]:
        raise Unavailable("redis: connection refused")

    async def last_runs(self) -> Mapping[str, int]:
        raise Unavailable("redis: connection refused")


async def test_the_overview_works_while_redis_does_not(
    api: ApiFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then it is needed most: it says what is wrong, to those who were signed in before."""
    signed_in(api, "viewer")
    api.app.state.console = replace(console_of(api), ended=_Away())
    monkeypatch.setattr(api.deps.observer, "_workers", _Away())
    response = await api.client.get("/console")
    assert response.status_code == 200
    assert "Redis cannot be used: redis: connection refused" in response.text
    assert "start Redis, or check TOCSIN_REDIS__URL" in response.text


async def test_a_sign_out_while_redis_does_not_work(api: ApiFixture) -> None:
    """The browser forgets the session."""
    session = signed_in(api, "viewer")
    api.app.state.console = replace(console_of(api), ended=_Away())
    response = await api.client.post("/console/sign-out", data={"csrf": session.token}, headers=SAME_ORIGIN)
    assert response.status_code == 200
    assert current(api) is None


async def test_an_outage_is_a_page(api: ApiFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the status for programs; a part of a page gets the line that it shows."""

    async def away(*_: object, **__: object) -> None:
        raise Unavailable("redis: connection refused")

    signed_in(api, "viewer")
    monkeypatch.setattr(type(api.deps.operate.operations), "statuses", away)
    page = await api.client.get("/console/audit")
    part = await api.client.get("/console/audit", headers={"HX-Request": "true"})
    assert (page.status_code, part.status_code) == (503, 503)
    assert "<h1>Not available</h1>" in page.text
    assert part.text.startswith('<p class="notice bad">')


async def test_a_slash_at_the_end(api: ApiFixture) -> None:
    signed_in(api, "viewer")
    response = await api.client.get("/console/", follow_redirects=True)
    assert response.status_code == 200
    assert response.url.path == "/console"


@pytest.mark.parametrize("path", WRITES)
async def test_each_role_writes_its_own(api: ApiFixture, path: str) -> None:
    """An operator exports, erases and unmasks nothing; a privacy officer sends, settles and suppresses nothing."""
    is_personal = path.startswith("/console/privacy") or path == "/console/addresses"
    role = "operator" if is_personal else "privacy"
    session = signed_in(api, role)
    response = await api.client.post(path, data={"csrf": session.token}, headers=SAME_ORIGIN)

    assert response.status_code == 403 or path in _OF_EVERY_ROLE
    assert api.publisher.messages == []
