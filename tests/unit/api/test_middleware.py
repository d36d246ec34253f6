"""The middleware, error responses, health routes and OpenAPI document."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import httpx
import orjson
import pytest
from structlog.testing import capture_logs

from service.api.__main__ import main as print_openapi
from service.api.app import create_app
from service.api.metrics_server import MetricsServer, metrics_app
from service.api.protocol.connection_limits import MAX_BODY_BYTES
from service.api.routes import health
from service.dev.ports import free_port
from service.ports import Unavailable
from tests.support.api_fixture import ApiFixture, basic
from tests.support.paths import ROOT


async def test_headers(api: ApiFixture) -> None:
    """Responses, errors included, forbid sniffing, framing and caching."""
    for path in ("/livez", "/counts", "/nothing", "/docs"):
        headers = (await api.client.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["cache-control"] == "no-store"


@pytest.mark.parametrize(("path", "kind"), [("/notifications", "vnd.api"), ("/v1/events", "problem")])
async def test_large_bodies(api: ApiFixture, path: str, kind: str) -> None:
    """A body over 1 MiB is 413, both by its declared length and by counting when no length is declared."""
    headers = api.bearer("alice", "inbox", "events") | {"Content-Type": "application/json"}

    async def parts() -> AsyncIterator[bytes]:
        for _ in range(MAX_BODY_BYTES // 65_536 + 1):
            yield b" " * 65_536

    declared = await api.client.post(path, content=b" " * (MAX_BODY_BYTES + 1), headers=headers)
    counted = await api.client.post(path, content=parts(), headers=headers)

    for answer in (declared, counted):
        assert answer.status_code == 413
        assert kind in answer.headers["content-type"]
    assert not api.publisher.messages


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff", b'{"a": NaN}', b'"\\ud800"', b"[" * 5000, b"\xef\xbb\xbf{}"]
)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/notifications"),
        ("PATCH", "/api/v1/notification/configure/"),
        ("PUT", "/v1/recipients/a"),
        ("PATCH", "/v1/recipients/a"),
        ("POST", "/api/2.0/notification_contacts/"),
        ("PUT", "/api/2.0/notification_preferences/"),
    ],
)
async def test_malformed_json(api: ApiFixture, method: str, path: str, body: bytes) -> None:
    """A body that is not strict JSON is 400 on every route."""
    account = {"auth": basic()} if "2.0" in path else {"headers": api.bearer("alice", "inbox", "tables")}

    answer = await api.client.request(method, path, content=body, **account)

    assert answer.status_code == 400


async def test_unknown_paths_and_methods(api: ApiFixture) -> None:
    """404 and 405 are rendered as documented errors, and 405 has Allow."""
    none = await api.client.get("/nothing")
    wrong = await api.client.post("/counts")

    assert (none.status_code, none.json()["title"]) == (404, "Not Found")
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
    assert wrong.json()["errors"][0]["status"] == "405"


async def test_internal_errors(api: ApiFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unexpected exception is a 500 that does not reveal its text, and a line in the log with its type and place."""

    async def broken(*_: Any) -> None:
        raise RuntimeError("secret internals")

    monkeypatch.setattr(api.deps.inbox, "counts", broken)

    with capture_logs() as lines:
        answer = await api.client.get("/counts", headers=api.bearer())

    assert (answer.status_code, "secret" in answer.text) == (500, False)
    assert answer.json()["errors"][0]["status"] == "500"
    assert answer.headers["x-content-type-options"] == "nosniff"
    (line,) = lines
    assert (line["event"], line["error"], line["route"]) == ("request_failed", "RuntimeError", "/counts")
    assert any("test_middleware.py" in place for place in line["at"])
    assert "secret" not in str(line)


async def test_a_forwarded_address_that_is_not_believed(api: ApiFixture) -> None:
    """It is logged once, with the setting that would make it believed; not where proxies are set."""
    settings = api.deps.settings.model_copy(deep=True)
    settings.http.forwarded_allow_ips = "10.0.0.1"
    app = create_app(replace(api.deps, settings=settings))
    with capture_logs() as lines:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://t") as client:
            await client.get("/livez", headers={"X-Forwarded-For": "192.0.2.1"})
        for _ in range(3):
            await api.client.get("/livez", headers={"X-Forwarded-For": "192.0.2.1"})

    assert [line["event"] for line in lines] == ["forwarded_address_ignored"]


async def test_health(api: ApiFixture) -> None:
    """/livez succeeds while nothing is stalled, /readyz when no check returns a reason."""
    assert (await api.client.get("/livez")).json() == {"status": "ok"}
    ready = (await api.client.get("/readyz")).json()
    assert (ready["status"], ready["reasons"]) == ("ready", {})


async def test_a_stalled_process_asks_for_a_restart(api: ApiFixture) -> None:
    """A part that has had work for minutes and made no progress is named; one that is slow is not."""
    app = create_app(replace(api.deps, stalls={"redis": lambda: 121.0, "slow": lambda: 20.0}))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://t") as client:
        answer = await client.get("/livez")

    assert answer.status_code == 503
    assert answer.json() == {"status": "stalled", "reasons": {"redis": "no progress for 121 s"}}


async def test_not_ready(api: ApiFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every reason is in the response; a check that hangs or fails is a reason too."""
    monkeypatch.setattr(health, "_CHECK_S", 0.01)

    def check(act: Callable[[], Any]) -> Callable[[], Any]:
        async def run() -> str | None:
            reason = act()
            return await reason if asyncio.iscoroutine(reason) else reason

        return run

    def unavailable() -> None:
        raise Unavailable("kafka: unavailable")

    checks = {
        "redis": check(lambda: None),
        "tables": check(lambda: "the tables are empty"),
        "kafka": check(unavailable),
        "slow": check(lambda: asyncio.sleep(60)),
        "broken": check(lambda: 1 / 0),
    }
    app = create_app(replace(api.deps, checks=checks))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://t") as client:
        answer = await client.get("/readyz")

    assert answer.status_code == 503
    assert answer.json()["reasons"] == {
        "tables": "the tables are empty",
        "kafka": "kafka: unavailable",
        "slow": "no answer in 0.01 seconds",
        "broken": "the check failed: ZeroDivisionError",
    }


async def test_metrics(api: ApiFixture) -> None:
    """Requests are counted by route template, so an arbitrary path cannot create a label."""
    await api.client.delete("/notifications/an-id-of-someone", headers=api.bearer())
    await api.client.get("/invented/path")

    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(metrics_app(api.deps.observer)), base_url="http://t"
    ) as client:
        text = (await client.get("/metrics")).text

    assert (await api.client.get("/metrics")).status_code == 404
    assert 'tocsin_http_requests_total{method="DELETE",route="/notifications/{id}",status="404"}' in text
    assert 'route="none"' in text
    assert "invented" not in text
    assert "an-id" not in text


async def test_metrics_have_their_own_port(api: ApiFixture) -> None:
    """They are served on a port of their own; one that is in use, or 0, does not stop the API."""
    port = free_port()
    server, second, none = (MetricsServer("127.0.0.1", p, api.deps.observer) for p in (port, port, 0))
    await server.start()
    await second.start()
    await none.start()
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            answers = [(await client.get(path)).status_code for path in ("/metrics", "/counts", "/livez")]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /metrics HTTP/1.1\r\nHost: t\r\nX: " + b"a" * 100_000)
        endless = await asyncio.wait_for(reader.readline(), 10)
        writer.transport.abort()
    finally:
        for one in (server, second, none):
            await one.stop()

    assert answers == [200, 404, 404]
    assert endless.startswith(b"HTTP/1.1 400 ")


def test_openapi_is_deterministic(api: ApiFixture, capsys: pytest.CaptureFixture[str]) -> None:
    """The printed document equals the served one, and every reference in it resolves."""
    print_openapi()
    printed = orjson.loads(capsys.readouterr().out)
    schemas = printed["components"]["schemas"]

    assert printed == orjson.loads(orjson.dumps(api.app.openapi()))
    names = {part.split('"')[0] for part in orjson.dumps(printed).decode().split("#/components/schemas/")[1:]}
    assert names <= set(schemas)


def test_openapi_is_committed(capsys: pytest.CaptureFixture[str]) -> None:
    """docs/api/openapi.json equals the output of `python -m service.api`."""
    print_openapi()

    committed = ROOT / "docs" / "api" / "openapi.json"
    assert committed.read_text() == capsys.readouterr().out
