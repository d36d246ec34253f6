"""What every request and answer passes."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import httpx
import orjson
import pytest

from service.api.__main__ import main as print_openapi
from service.api.app import create_app
from service.api.middleware import MAX_BODY
from service.api.routes import health
from service.ports import Unavailable
from tests.support.api_fixture import World, basic
from tests.support.paths import ROOT


async def test_headers(world: World) -> None:
    """Answers are not to be sniffed, framed or kept, refusals neither."""
    for path in ("/livez", "/counts", "/nothing", "/docs"):
        headers = (await world.client.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["cache-control"] == "no-store"


@pytest.mark.parametrize(("path", "kind"), [("/notifications", "vnd.api"), ("/v1/events", "problem")])
async def test_large_bodies(world: World, path: str, kind: str) -> None:
    """A body over 1 MiB is 413, by its declared length, and also where that is not declared."""
    headers = world.bearer("alice", "inbox", "events") | {"Content-Type": "application/json"}

    async def parts() -> AsyncIterator[bytes]:
        for _ in range(MAX_BODY // 65_536 + 1):
            yield b" " * 65_536

    declared = await world.client.post(path, content=b" " * (MAX_BODY + 1), headers=headers)
    counted = await world.client.post(path, content=parts(), headers=headers)

    for answer in (declared, counted):
        assert answer.status_code == 413
        assert kind in answer.headers["content-type"]
    assert not world.publisher.messages


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
async def test_malformed_json(world: World, method: str, path: str, body: bytes) -> None:
    """What is no JSON is 400 everywhere."""
    account = {"auth": basic()} if "2.0" in path else {"headers": world.bearer("alice", "inbox", "tables")}

    answer = await world.client.request(method, path, content=body, **account)

    assert answer.status_code == 400


async def test_unknown_paths_and_methods(world: World) -> None:
    """They are problems too, and 405 says what is allowed."""
    none = await world.client.get("/nothing")
    wrong = await world.client.post("/counts")

    assert (none.status_code, none.json()["title"]) == (404, "Not Found")
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "GET")
    assert wrong.json()["errors"][0]["status"] == "405"


async def test_a_fault_of_ours(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error nobody foresaw is a 500 that tells nothing of its inside."""

    async def broken(*_: Any) -> None:
        raise RuntimeError("secret of the inside")

    monkeypatch.setattr(world.deps.inbox, "counts", broken)

    answer = await world.client.get("/counts", headers=world.bearer())

    assert (answer.status_code, "secret" in answer.text) == (500, False)


async def test_health(world: World) -> None:
    """Alive while the process is; ready when nothing gives a reason against it."""
    assert (await world.client.get("/livez")).json() == {"status": "ok"}
    assert (await world.client.get("/readyz")).json() == {"status": "ready", "reasons": {}}


async def test_not_ready(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every reason is told; a check that hangs or fails is a reason itself."""
    monkeypatch.setattr(health, "_CHECK_S", 0.01)

    def check(act: Callable[[], Any]) -> Callable[[], Any]:
        async def run() -> str | None:
            found = act()
            return await found if asyncio.iscoroutine(found) else found

        return run

    def away() -> None:
        raise Unavailable("kafka: away")

    checks = {
        "redis": check(lambda: None),
        "tables": check(lambda: "the tables are empty"),
        "kafka": check(away),
        "slow": check(lambda: asyncio.sleep(60)),
        "broken": check(lambda: 1 / 0),
    }
    app = create_app(replace(world.deps, checks=checks))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://t") as client:
        answer = await client.get("/readyz")

    assert answer.status_code == 503
    assert answer.json()["reasons"] == {
        "tables": "the tables are empty",
        "kafka": "kafka: away",
        "slow": "no answer in 0.01 seconds",
        "broken": "the check failed: ZeroDivisionError",
    }


async def test_metrics(world: World) -> None:
    """Requests are counted by route template, so a path cannot invent a label."""
    await world.client.delete("/notifications/an-id-of-someone", headers=world.bearer())
    await world.client.get("/invented/path")

    text = (await world.client.get("/metrics")).text

    assert 'tocsin_http_requests_total{method="DELETE",route="/notifications/{id}",status="404"}' in text
    assert 'route="none"' in text
    assert "invented" not in text
    assert "an-id" not in text


def test_openapi_is_deterministic(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """The document that is printed is the one that is served, and every reference in it resolves."""
    print_openapi()
    printed = orjson.loads(capsys.readouterr().out)
    schemas = printed["components"]["schemas"]

    assert printed == orjson.loads(orjson.dumps(world.app.openapi()))
    names = {part.split('"')[0] for part in orjson.dumps(printed).decode().split("#/components/schemas/")[1:]}
    assert names <= set(schemas)


def test_openapi_is_committed(capsys: pytest.CaptureFixture[str]) -> None:
    """docs/api/openapi.json is what `python -m service.api` prints."""
    print_openapi()

    committed = ROOT / "docs" / "api" / "openapi.json"
    assert committed.read_text() == capsys.readouterr().out
