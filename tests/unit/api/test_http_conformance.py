"""HTTP itself (RFC 9110), on every route: methods, conditions, media types, errors."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from service.api.app import bare_app, create_app
from service.api.errors import is_json_api
from service.api.reference.openapi import document
from service.api.webhook import per_minute
from service.ports import Unavailable
from service.settings.limits import LimitSettings
from tests.support.api_fixture import ApiFixture, basic, fake_api, inbox_item

PATHS = document(bare_app())["paths"]
RFC_9110_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


def paths() -> Iterator[str]:
    """Yield the path of every route, with an id instead of a parameter."""
    yield from (path.replace("{id}", "a").replace("{uuid}", "u") for path in PATHS)
    yield from (
        "/docs",
        "/docs/scalar.js",
        "/docs/reference.js",
        "/docs/reference.css",
        "/docs/events",
        "/asyncapi.json",
        "/openapi.json",
        "/unsubscribe/a",
        "/preferences/a",
        "/assets/inbox/tocsin-inbox.js",
        "/assets/inbox/manifest.json",
    )


def credentials(api: ApiFixture, path: str) -> dict[str, Any]:
    """Return the credential that the path takes, for httpx."""
    if "/2.0/" in path:
        return {"auth": basic()}
    return {"headers": api.bearer("alice", "inbox", "tables", "events", "operate")}


@pytest.mark.conformance(
    "RFC 9110", "9.3.7 OPTIONS", "Every resource answers OPTIONS with the methods it has."
)
@pytest.mark.conformance(
    "RFC 9110", "15.5.6 405", "A method that a resource lacks is 405, with a complete Allow."
)
@pytest.mark.parametrize("path", [*paths()])
async def test_methods(api: ApiFixture, path: str) -> None:
    """Allow is the same in both, without a credential, and names exactly the methods that are not 405."""
    options = await api.client.options(path)
    allowed = options.headers["allow"].split(", ")

    assert (options.status_code, options.content) == (204, b"")
    for method in (*RFC_9110_METHODS, "TRACE", "PROPFIND"):
        answer = await api.client.request(method, path)
        assert (answer.status_code != 405) is (method in allowed), method
        if answer.status_code == 405:
            assert answer.headers["allow"] == options.headers["allow"]


async def test_options_of_what_is_not_there(api: ApiFixture) -> None:
    """A path without a route is 404 for every method."""
    assert {(await api.client.request(m, "/none")).status_code for m in RFC_9110_METHODS} == {404}


@pytest.mark.conformance(
    "RFC 9110", "9.3.2 HEAD", "HEAD is answered wherever GET is: the same without the body."
)
@pytest.mark.parametrize("path", [p for p in paths() if "GET" in p or p not in PATHS or "get" in PATHS[p]])
async def test_head(api: ApiFixture, path: str) -> None:
    """Status and headers are those of GET."""
    if path.endswith("/stream"):
        head = await api.client.head(path, **credentials(api, path))
        assert (head.status_code, head.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
        return
    await api.add(inbox_item("overbid"))
    get = await api.client.get(path, **credentials(api, path))
    head = await api.client.head(path, **credentials(api, path))

    assert (head.status_code, head.content) == (get.status_code, b"")
    volatile = {"ratelimit-remaining"}
    assert {n: v for n, v in head.headers.items() if n not in volatile} == {
        n: v for n, v in get.headers.items() if n not in volatile
    }


@pytest.mark.conformance(
    "RFC 9110", "9.2.1 safe methods", "HEAD and GET change nothing, not even of an unsubscribe link."
)
async def test_head_of_an_unsubscribe_link(api: ApiFixture) -> None:
    """A mail scanner that follows the link by HEAD does not unsubscribe."""
    assert (await api.client.head("/unsubscribe/a")).status_code == 404
    assert not api.publisher.messages


@pytest.mark.conformance(
    "RFC 5789", "3.1 Accept-Patch", "OPTIONS names the media types of a resource's PATCH."
)
@pytest.mark.conformance("RFC 5789", "2.2 errors", "A PATCH of another media type is 415 with Accept-Patch.")
async def test_accept_patch(api: ApiFixture) -> None:
    """Merge patch and JSON."""
    options = await api.client.options("/v1/recipients/a")
    headers = {**api.bearer("ops", "tables"), "Content-Type": "application/json-patch+xml"}
    refused = await api.client.patch("/v1/recipients/a", content=b"{}", headers=headers)

    assert options.headers["accept-patch"] == "application/merge-patch+json, application/json"
    assert (refused.status_code, "application/json" in refused.headers["accept-patch"]) == (415, True)
    assert "accept-patch" not in (await api.client.options("/counts")).headers


@pytest.mark.conformance("RFC 9110", "15.5.16 415", "A JSON route refuses a body of another media type.")
@pytest.mark.parametrize(
    ("content_type", "accepted"),
    [
        (None, True),
        ("application/json", True),
        ("Application/JSON; charset=utf-8", True),
        ("application/merge-patch+json", True),
        ("text/plain", False),
        ("application/x-www-form-urlencoded", False),
        ("multipart/form-data; boundary=b", False),
        ("application/jsonp", False),
    ],
)
async def test_media_types_of_bodies(api: ApiFixture, content_type: str | None, accepted: bool) -> None:
    """A form of another site, which a browser sends with the password that it knows, is among the refused."""
    headers = {"Content-Type": content_type} if content_type else {}
    body = b'{"objects": [{"email": "a@example.com"}]}'

    answer = await api.client.post(
        "/api/2.0/notification_contacts/", content=body, headers=headers, auth=basic()
    )

    assert answer.status_code == (201 if accepted else 415)


@pytest.mark.conformance("RFC 9110", "8.4 Content-Encoding", "A compressed body is 415 with Accept-Encoding.")
@pytest.mark.parametrize("coding", ["gzip", "br", "deflate", "zstd", "gzip, identity"])
async def test_compressed_bodies(api: ApiFixture, coding: str) -> None:
    """It is refused before it is read, so nothing can be inflated."""
    headers = {**api.bearer("shop", "events"), "Content-Encoding": coding}
    answer = await api.client.post("/v1/events", content=b"\x1f\x8b", headers=headers)

    assert (answer.status_code, answer.headers["accept-encoding"]) == (415, "identity")


@pytest.mark.conformance(
    "RFC 9110", "13.1.1 If-Match", "A write of a recipient whose version is another is 412."
)
@pytest.mark.conformance(
    "RFC 9110", "13.1.2 If-None-Match", "A version that the caller has is 304; `*` creates only."
)
async def test_conditional_requests(api: ApiFixture) -> None:
    """The entity tag is the version; GET, PUT, PATCH and DELETE evaluate conditions on it."""
    path, headers = "/v1/recipients/a", api.bearer("ops", "tables")

    async def call(method: str, body: Any = None, **conditions: str) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in conditions.items()}
        return await api.client.request(method, path, json=body, headers=headers | named)

    assert (await call("PUT", {}, If_Match="*")).status_code == 412
    created = await call("PUT", {"name": "A"}, If_None_Match="*")
    old = created.headers["etag"]
    assert (created.status_code, old) == (201, f'"{created.json()["version"]}"')
    assert (await call("PUT", {}, If_None_Match="*")).status_code == 412
    got = await call("GET", If_None_Match=f'"x", W/{old}')
    assert (got.status_code, got.headers["etag"], got.content) == (304, old, b"")
    changed = await call("PATCH", {"name": "B"}, If_Match=old)
    new = changed.headers["etag"]
    assert (changed.status_code, new != old) == (200, True)
    for method, body in (("PUT", {}), ("PATCH", {}), ("DELETE", None)):
        refused = await call(method, body, If_Match=old)
        assert (refused.status_code, refused.headers["etag"]) == (412, new)
        assert (await call(method, body, If_Match=f"W/{new}")).status_code == 412
    assert (await call("GET", If_None_Match=old)).json()["name"] == "B"
    assert (await call("DELETE", If_Match=f"{old}, {new}")).status_code == 204


@pytest.mark.conformance("RFC 9457", "3 members", "Every error is a problem, except on JSON:API routes.")
@pytest.mark.conformance(
    "JSON:API 1.1",
    "11 errors",
    "Every error of an inbox route has `errors`, 404 and 500 too.",
)
async def test_formats_of_errors(api: ApiFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """401, 403, 404, 405, 406, 413, 415, 422, 500 and 503 have the format of their route."""

    async def fails(*_: Any, **__: Any) -> Any:
        raise ZeroDivisionError

    async def unavailable(*_: Any, **__: Any) -> Any:
        raise Unavailable("redis")

    inbox, tables = api.bearer(), api.bearer("ops", "tables")
    seen = [
        await api.client.get("/counts"),
        await api.client.get("/counts", headers=tables),
        await api.client.get("/notifications/x/y", headers=inbox),
        await api.client.put("/notifications", headers=inbox),
        await api.client.get("/counts", headers=inbox | {"Accept": "application/vnd.api+json; ext=x"}),
        await api.client.post("/notifications", content=b"x" * 2_000_000, headers=inbox),
        await api.client.post("/notifications", content=b"", headers=inbox | {"Content-Type": "text/plain"}),
        await api.client.post("/notifications", content=b"1", headers=inbox),
        await api.client.get("/v1/recipients"),
        await api.client.get("/v1/recipients", headers=inbox),
        await api.client.get("/none"),
        await api.client.put("/v1/recipients", headers=tables),
        await api.client.put("/v1/recipients/a", content=b"x" * 2_000_000, headers=tables),
        await api.client.put("/v1/recipients/a", json={"x": 1}, headers=tables),
        await api.client.get("/v1/recipients?limit=x", headers=tables),
    ]
    for failure in (fails, unavailable):
        monkeypatch.setattr(api.deps.inbox, "counts", failure)
        monkeypatch.setattr(api.deps.directory, "recipients", failure)
        seen.append(await api.client.get("/counts", headers=inbox))
        seen.append(await api.client.get("/v1/recipients", headers=tables))

    for answer in seen:
        assert answer.is_error
        if is_json_api({"path": answer.request.url.path}):
            assert answer.headers["content-type"] == "application/vnd.api+json"
            assert {error["status"] for error in answer.json()["errors"]} == {str(answer.status_code)}
        else:
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["status"] == answer.status_code
            assert {"type", "title", "detail"} <= answer.json().keys()
    assert {answer.status_code for answer in seen} == {400, 401, 403, 404, 405, 406, 413, 415, 422, 500, 503}


@pytest.mark.conformance(
    "RFC 9110", "11.6.1 WWW-Authenticate", "Every 401 names a scheme that the route accepts."
)
@pytest.mark.conformance(
    "RFC 6750", "3 WWW-Authenticate", "A 403 because of a missing scope names the scope."
)
async def test_challenges(api: ApiFixture) -> None:
    """Bearer, or Basic for contacts and preferences."""
    for path in paths():
        answer = await api.client.get(path)
        if answer.status_code == 401:
            scheme = answer.headers["www-authenticate"].split(" ")[0]
            assert scheme == ("Basic" if "/2.0/" in path else "Bearer")
    forbidden = await api.client.get("/v1/recipients", headers=api.bearer())

    assert 'error="insufficient_scope", scope="tables"' in forbidden.headers["www-authenticate"]


@pytest.mark.conformance("RFC 9110", "10.2.3 Retry-After", "Every 429 and 503 says when to try again.")
async def test_retry_after(api: ApiFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """In whole seconds."""
    async with fake_api(limits=LimitSettings(inbox="1/minute")) as limited:
        answers = [await limited.client.get("/counts", headers=limited.bearer()) for _ in range(2)]

    async def unavailable(*_: Any, **__: Any) -> Any:
        raise Unavailable("redis")

    monkeypatch.setattr(api.deps.inbox, "counts", unavailable)
    answers.append(await api.client.get("/counts", headers=api.bearer()))

    assert [answer.status_code for answer in answers] == [200, 429, 503]
    assert all(answer.headers["retry-after"].isdigit() for answer in answers[1:])


@pytest.mark.conformance(
    "CloudEvents HTTP webhooks 1.0.2",
    "4.1 validation request",
    "OPTIONS with an origin is permitted without a login.",
)
@pytest.mark.conformance(
    "CloudEvents HTTP webhooks 1.0.2",
    "4.2 validation response",
    "The response has the origin, and a rate a minute.",
)
async def test_webhook_handshake(api: ApiFixture) -> None:
    """Only where it is asked for, once, with what is an origin; another route permits nothing."""
    asked = {"WebHook-Request-Origin": "eventemitter.example.com", "WebHook-Request-Rate": "120"}

    permitted = await api.client.options("/v1/events", headers=asked)
    plain = await api.client.options("/v1/events")
    odd = await api.client.options("/v1/events", headers={"WebHook-Request-Origin": "a b<script>"})
    other = await api.client.options("/counts", headers=asked)

    assert permitted.status_code == 204
    assert permitted.headers["webhook-allowed-origin"] == "eventemitter.example.com"
    assert permitted.headers["webhook-allowed-rate"] == "12000"
    assert "POST" in permitted.headers["allow"]
    assert all("webhook-allowed-origin" not in answer.headers for answer in (plain, odd, other))


@pytest.mark.parametrize(
    ("limit", "rate"),
    [
        ("12000/minute", "12000"),
        ("5/second", "300"),
        ("60/hour", "1"),
        ("1/day", "1"),
        ("90/3minutes", "30"),
        ("2592000/month", "60"),
        ("20000/year", "1"),
        ("", "*"),
    ],
)
def test_webhook_rates(limit: str, rate: str) -> None:
    """The rate is in requests a minute, whatever the unit of the limit."""
    assert per_minute(limit) == rate


async def test_behind_a_prefix(api: ApiFixture) -> None:
    """Methods are those of the path without the prefix that a proxy adds."""
    settings = api.deps.settings.model_copy(deep=True)
    settings.http.root_path = "/tocsin"
    app = create_app(replace(api.deps, settings=settings))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://t") as client:
        assert (await client.options("/tocsin/counts")).headers["allow"] == "GET, HEAD, OPTIONS"
        assert (await client.post("/tocsin/counts")).status_code == 405


@pytest.mark.conformance("JSON:API 1.1", "5.3 Accept", "Several Accept fields count as one.")
async def test_several_accept_fields(api: ApiFixture) -> None:
    """406 only if none of them has the media type without parameters."""
    fields = [("Accept", "application/vnd.api+json; charset=x"), ("Accept", "application/vnd.api+json")]
    headers = [*api.bearer().items(), *fields]

    assert (await api.client.get("/counts", headers=headers)).status_code == 200
    assert (await api.client.get("/counts", headers=headers[:-1])).status_code == 406
