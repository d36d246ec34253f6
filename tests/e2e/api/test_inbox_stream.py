"""The live inbox on a real server and a real Valkey."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx
import orjson
import pytest

from service.api.hub import Hub
from service.api.protocol.response import EXTENSION
from service.api.representations.stream_events import InboxEvent
from service.api.routes import inbox_stream
from service.model.catalogue import Catalogue
from service.ports import InboxChange, Unavailable
from tests.e2e.api.served import served
from tests.support.api_fixture import ApiFixture, inbox_item, token
from tests.support.wait import eventually

STREAM = "/v1/inbox/stream"


class Events:
    """A reader of server-sent events, as in a browser."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self._lines = answer.aiter_lines()
        self.last_id = ""
        self.comments = 0

    async def next(self) -> tuple[str, Any]:
        """Return the name and data of the next event."""
        fields: dict[str, str] = {}
        async with asyncio.timeout(30):
            async for line in self._lines:
                if line.startswith(":"):
                    self.comments += 1
                elif line:
                    name, _, value = line.partition(": ")
                    fields[name] = value
                elif "event" in fields:
                    self.last_id = fields["id"]
                    InboxEvent.model_validate(fields)  # as the OpenAPI document describes it
                    return fields["event"], orjson.loads(fields["data"])
                else:
                    fields.clear()
        raise EOFError

    async def names(self, count: int) -> list[str]:
        """Return the names of the next events."""
        return [(await self.next())[0] for _ in range(count)]


class NeverWritable:
    """The response of a client that reads nothing."""

    writable = False

    def __init__(self) -> None:
        self.dropped = asyncio.Event()
        self.written = b""

    async def drain(self) -> None:
        await asyncio.Event().wait()

    def write(self, text: bytes) -> None:
        self.written += text

    def drop(self) -> None:
        self.dropped.set()


@pytest.fixture
async def client(api: ApiFixture) -> AsyncIterator[httpx.AsyncClient]:
    async with served(api) as client:
        yield client


@asynccontextmanager
async def watching(
    api: ApiFixture, client: httpx.AsyncClient, sub: str = "alice", **headers: str
) -> AsyncIterator[Events]:
    async with client.stream("GET", STREAM, headers={**api.bearer(sub), **headers}) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield Events(answer)


async def test_snapshot_first_then_changes(api: ApiFixture, client: httpx.AsyncClient) -> None:
    """A new stream gets the unread list and the counts; then new and read entries, each followed by counts."""
    await api.add(inbox_item("overbid", id="a", lot_id="1"))

    async with watching(api, client) as events:
        name, snapshot = await events.next()
        assert (name, [row["id"] for row in snapshot["data"]]) == ("snapshot", ["a"])
        assert snapshot["data"][0]["meta"] == {
            "line": "About overbid",
            "link": "https://tocsin.test/lots/1",
        }
        assert await events.next() == ("counts", {"data": [count("6", "overbid", 1)]})

        await api.add(inbox_item("winner", id="b", lot_id="1"))
        name, new = await events.next()
        assert (name, new["data"]["id"], new["data"]["meta"]) == (
            "new",
            "b",
            {"line": "About winner", "link": "https://tocsin.test/lots/1"},
        )
        assert await events.next() == (
            "counts",
            {"data": [count("6", "overbid", 1), count("7", "winner", 1)]},
        )

        await client.delete("/notifications/a", headers=api.bearer())
        assert await events.next() == ("read", {"data": [{"type": "notifications", "id": "a"}]})
        assert await events.next() == ("counts", {"data": [count("7", "winner", 1)]})


async def test_a_stream_has_the_catalogue_of_now(api: ApiFixture, client: httpx.AsyncClient) -> None:
    """A type whose link changes at a reload has the new one in the next event of a stream that began before."""
    async with watching(api, client) as events:
        await events.names(2)
        types = {type_.name: type_ for type_ in api.deps.catalogue}
        types["overbid"] = types["overbid"].model_copy(update={"link": "bids/{lot_id}"})
        api.app.state.deps = replace(api.deps, catalogue=Catalogue(types))

        await api.add(inbox_item("overbid", id="a", lot_id="1"))
        name, new = await events.next()

    assert (name, new["data"]["meta"]["link"]) == ("new", "https://tocsin.test/bids/1")


async def test_resume(api: ApiFixture, client: httpx.AsyncClient) -> None:
    """With Last-Event-ID a stream begins with the missed changes, without a snapshot."""
    async with watching(api, client) as events:
        await events.names(2)
        await api.add(inbox_item("overbid", id="a"))
        await events.names(2)
        last = events.last_id
    await api.add(inbox_item("winner", id="b"))

    async with watching(api, client, **{"Last-Event-ID": last}) as events:
        name, new = await events.next()

    assert (name, new["data"]["id"]) == ("new", "b")


async def test_a_ticket_instead_of_a_token(api: ApiFixture, client: httpx.AsyncClient) -> None:
    """A browser's EventSource opens the stream of the ticket's owner by the URL alone, and resumes by it."""

    async def ticket() -> str:
        return str((await client.post(f"{STREAM}-tickets", headers=api.bearer())).json()["ticket"])

    await api.add(inbox_item("overbid", id="a"))
    async with client.stream("GET", STREAM, params={"ticket": await ticket()}) as answer:
        events = Events(answer)
        assert await events.names(2) == ["snapshot", "counts"]
        last = events.last_id
    await api.add(inbox_item("winner", id="b"), inbox_item("winner", "bob", id="c"))

    query = {"ticket": await ticket(), "last_event_id": last}
    async with client.stream("GET", STREAM, params=query) as answer:
        name, new = await Events(answer).next()

    assert (name, new["data"]["id"]) == ("new", "b")


async def test_a_stream_by_ticket_ends_with_the_token(api: ApiFixture, client: httpx.AsyncClient) -> None:
    """A ticket does not outlive the token that it was issued for."""
    short = {"Authorization": f"Bearer {token('alice', exp=time.time() + 1)}"}
    ticket = (await client.post(f"{STREAM}-tickets", headers=short)).json()["ticket"]

    async with client.stream("GET", STREAM, params={"ticket": ticket}) as answer:
        assert [line async for line in answer.aiter_lines()][-1] == ""


@pytest.mark.parametrize("last", ["1-1", "nonsense", "99999999999999999999-0"])
async def test_snapshot_on_a_gap(api: ApiFixture, client: httpx.AsyncClient, last: str) -> None:
    """An unknown or expired Last-Event-ID gets a snapshot."""
    await api.add(inbox_item("overbid", id="a"))

    async with watching(api, client, **{"Last-Event-ID": last}) as events:
        assert await events.names(2) == ["snapshot", "counts"]


async def test_streams_of_several_recipients(api: ApiFixture, client: httpx.AsyncClient) -> None:
    """A stream has no events of other inboxes, and every stream of one inbox has its events."""
    async with (
        watching(api, client) as one,
        watching(api, client) as two,
        watching(api, client, "bob") as bob,
    ):
        for events in (one, two, bob):
            await events.names(2)
        await api.add(inbox_item("winner", "bob", id="bobs"))
        await api.add(inbox_item("overbid", id="alices"))

        assert [(await events.next())[1]["data"]["id"] for events in (one, two, bob)] == [
            "alices",
            "alices",
            "bobs",
        ]


async def test_changes_during_an_outage(
    api: ApiFixture, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Changes during an outage of Redis are sent when it ends, without waiting for the next change."""
    changes, errors = api.deps.inbox_changes, [Unavailable("redis: unavailable")] * 2

    async def since(recipient: str, position: str) -> Sequence[InboxChange] | None:
        if errors:
            raise errors.pop()
        return await read(recipient, position)

    async with watching(api, client) as events:
        await events.names(2)
        read = changes.since
        monkeypatch.setattr(changes, "since", since)
        await api.add(inbox_item("overbid", id="a"))

        assert await events.names(2) == ["new", "counts"]
    assert not errors


async def test_heartbeat(api: ApiFixture, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream without changes sends comments as heartbeats."""
    monkeypatch.setattr(inbox_stream, "HEARTBEAT_S", 0.02)

    async with watching(api, client) as events:
        await events.names(2)
        async with asyncio.timeout(30):
            async for line in events._lines:
                if line.startswith(": alive"):
                    break

    assert line == ": alive"


async def test_a_stream_ends_with_its_token(api: ApiFixture, client: httpx.AsyncClient) -> None:
    """A stream ends when the token that opened it expires."""
    headers = {"Authorization": f"Bearer {token('alice', 'inbox', exp=time.time() + 0.3)}"}
    async with asyncio.timeout(30), client.stream("GET", STREAM, headers=headers) as answer:
        text = await answer.aread()

    assert b"event: snapshot" in text


async def test_too_many_watchers(
    api: ApiFixture, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The number of streams of an inbox is limited; one more is 429 with Retry-After."""
    monkeypatch.setattr("service.api.hub._MAX_PER_RECIPIENT", 1)

    async with watching(api, client) as events:
        await events.next()
        answer = await client.get(STREAM, headers=api.bearer())

    assert (answer.status_code, answer.headers["retry-after"]) == (429, "10")


async def test_slow_clients_are_disconnected(api: ApiFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that reads nothing is disconnected and its watcher removed; it can resume by Last-Event-ID."""
    monkeypatch.setattr(inbox_stream, "_SEND_TIMEOUT_S", 0.05)
    response = NeverWritable()

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        pass

    authorization = api.bearer()["Authorization"].encode()
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "path": STREAM,
        "raw_path": STREAM.encode(),
        "root_path": "",
        "scheme": "http",
        "query_string": b"",
        "headers": [(b"authorization", authorization)],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
        "extensions": {EXTENSION: lambda lost: response},
    }
    async with asyncio.timeout(30):
        await api.app(scope, receive, send)
        await response.dropped.wait()

    hub: Hub = api.app.state.hub
    await eventually(lambda: not hub._watchers)
    assert not response.written


async def test_an_idle_stream_has_no_task(api: ApiFixture, client: httpx.AsyncClient) -> None:
    """Between changes a stream costs its connection only."""

    def has_task() -> bool:
        return any(task.get_name() == "inbox-stream" for task in asyncio.all_tasks())

    async with watching(api, client) as events:
        await events.names(2)
        await eventually(lambda: not has_task())
        await api.add(inbox_item("overbid", id="a"))
        assert await events.names(2) == ["new", "counts"]
        await eventually(lambda: not has_task())


async def test_a_request_behind_a_stream_waits_for_its_end(api: ApiFixture) -> None:
    """A client that does not wait gets the next response on the connection when the stream has ended."""
    bearer = token("alice", "inbox", exp=time.time() + 1)
    head = f"GET {STREAM} HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer {bearer}\r\n\r\n"
    next_head = "GET /livez HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n"
    async with served(api) as client, asyncio.timeout(30):
        reader, writer = await asyncio.open_connection("127.0.0.1", client.base_url.port)
        writer.write((head + next_head).encode())
        text = await reader.read()
        writer.close()

    stream, end, rest = text.partition(b"\r\n0\r\n\r\n")
    assert b"event: snapshot" in stream
    assert end
    assert rest.startswith(b"HTTP/1.1 200")
    assert rest.endswith(b'{"status":"ok"}')


async def test_shutdown_ends_streams(api: ApiFixture) -> None:
    """A server that shuts down ends its streams rather than wait for them."""
    opened = asyncio.Event()

    async def read(client: httpx.AsyncClient) -> None:
        async with watching(api, client) as events:
            await events.names(2)
            opened.set()
            async for _ in events._lines:
                pass

    async with served(api) as client:
        reading = asyncio.create_task(read(client))
        await opened.wait()

    async with asyncio.timeout(30):
        await reading


def count(number: str, name: str, unread: int) -> dict[str, Any]:
    """Return a resource of the counts."""
    return {"type": "notifications", "id": number, "attributes": {"count": unread, "type_str": name}}
