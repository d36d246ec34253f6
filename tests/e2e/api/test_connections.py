"""Limits of a connection, on a real socket: what a client sends before its request is served, and how slowly."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import orjson
import pytest

from service.api.server import ApiServer
from service.settings import HttpSettings, LimitSettings
from tests.e2e.api.served import EmbeddedServer
from tests.support.api_fixture import ApiFixture, fake_api, inbox_item
from tests.support.wait import eventually

HOST = b"Host: tocsin.test\r\n"


class Raw:
    """A client that sends bytes as they are."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._writers: list[asyncio.StreamWriter] = []

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._writers.append(writer)
        return reader, writer

    async def responses(self, *parts: bytes, within_s: float = 20) -> list[tuple[int, bytes]]:
        """Send the parts; return the status and body of every response until the server closes."""
        loop = asyncio.get_running_loop()
        transport, received = await loop.create_connection(_Received, "127.0.0.1", self._port)
        for part in parts:
            transport.write(part)
        async with asyncio.timeout(within_s):
            await received.closed.wait()
        transport.abort()
        return split(bytes(received.data))

    def close(self) -> None:
        for writer in self._writers:
            writer.transport.abort()


class _Received(asyncio.Protocol):
    """What a server has sent; unlike a stream it keeps what arrived before a write failed."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.closed = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        self.data += data

    def eof_received(self) -> None:
        self.closed.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed.set()


def split(text: bytes) -> list[tuple[int, bytes]]:
    """Return status and body of each response in the text; bodies have a declared length or none."""
    found = []
    while text:
        head, _, rest = text.partition(b"\r\n\r\n")
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
        size = int(fields.get(b"content-length", b"0"))
        found.append((int(head.split(b" ")[1]), rest[:size]))
        text = rest[size:]
    return found


@asynccontextmanager
async def serving(api: ApiFixture, **settings: Any) -> AsyncIterator[tuple[Raw, ApiServer]]:
    """Serve the API with these HTTP settings; yield a client and the server."""
    server = EmbeddedServer(api.app, HttpSettings(**settings), port=0)
    running = asyncio.create_task(server.serve())
    await eventually(lambda: server.started, 30, lambda: "the server has not started")
    client = Raw(server.port)
    try:
        yield client, server
    finally:
        client.close()
        server.should_exit = True
        await asyncio.wait_for(running, 30)


@pytest.fixture
async def api() -> AsyncIterator[ApiFixture]:
    async with fake_api() as api:
        yield api


LIVEZ = b"GET /livez HTTP/1.1\r\n" + HOST


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET /" + b"a" * 17_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 414),
        (b"GET /" + b"a" * 9_000_000, 414),
        (LIVEZ + b"X: " + b"a" * 40_000 + b"\r\n\r\n", 431),
        (LIVEZ + b"X: " + b"a" * 9_000_000, 431),
        (LIVEZ + b"X" * 9_000_000, 431),
        (LIVEZ + b"a:b\r\n" * 101 + b"\r\n", 431),
        (LIVEZ + b"a:b\r\n" * 1_000_000, 431),
        (b"\r\n" * 100_000, 431),
        (b"NONSENSE\r\n\r\n", 400),
        (b"INVENT /livez HTTP/1.1\r\n" + HOST + b"\r\n", 501),
        (b"GET /livez HTTP/1.1\r\n\r\n", 400),
        (LIVEZ + HOST + b"\r\n", 400),
        (b"GET /livez HTTP/2.0\r\n" + HOST + b"\r\n", 505),
        (b"GET /\xff HTTP/1.1\r\n" + HOST + b"\r\n", 400),
        (LIVEZ + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (LIVEZ + b"Transfer-Encoding: gzip, chunked\r\n\r\n", 501),
    ],
    ids=lambda value: None if isinstance(value, int) else f"{len(value)}:{value[-12:]!r}",
)
@pytest.mark.conformance("RFC 9110", "15.5.15 414", "A target over 16 KiB is 414.")
@pytest.mark.conformance("RFC 6585", "5 431", "Header fields over 32 KiB, or more than 100, are 431.")
@pytest.mark.conformance("RFC 9112", "3.2 Host", "A request without Host, or with two, is 400.")
@pytest.mark.conformance("RFC 9112", "6.1 Transfer-Encoding", "Another coding than chunked is 501.")
@pytest.mark.conformance("RFC 9112", "6.3 message length", "A length and chunks together are 400.")
@pytest.mark.conformance("RFC 9110", "9.1 methods", "A method that the server does not know is 501.")
async def test_heads_beyond_a_limit(api: ApiFixture, request_bytes: bytes, status: int) -> None:
    """A head that is too large, or not HTTP/1.1, is a problem with its own status, and closes the connection."""
    async with serving(api) as (client, _):
        ((got, body),) = await client.responses(request_bytes)

        assert got == status
        assert orjson.loads(body)["status"] == status
        assert (await client.responses(LIVEZ + b"Connection: close\r\n\r\n"))[0][0] == 200


async def test_what_a_refused_client_still_sends_resets_nothing(api: ApiFixture) -> None:
    """The server closes its side with the response and discards what arrives: a reset could cost the response."""
    async with serving(api) as (client, _):
        reader, writer = await client.connect()
        writer.write(LIVEZ + b"X: " + b"a" * 40_000)

        assert (await asyncio.wait_for(reader.read(), 30)).startswith(b"HTTP/1.1 431 ")
        for _ in range(20):
            writer.write(b"a" * 1000)
            await writer.drain()
            await asyncio.sleep(0)
        assert not writer.transport.is_closing()


async def test_a_refused_inbox_request_is_a_json_api_error(api: ApiFixture) -> None:
    """The format of the error is that of the route, where the target is known."""
    async with serving(api) as (client, _):
        ((status, body),) = await client.responses(b"GET /counts?x=1 HTTP/1.1\r\nX: " + b"a" * 40_000)

    assert (status, orjson.loads(body)["errors"][0]["status"]) == (431, "431")


@pytest.mark.parametrize(
    "body",
    [
        b"1\r\n \r\n" * 5000,
        b"1;" + b"x" * 40_000,
        b"1;a=bbbbbbbbbbbbbbbbbbbbb\r\n \r\n" * 4000,
        b"1\r\n \r\n0\r\n" + b"A: b\r\n" * 10_000,
        b"1\r\n \r\n0\r\nA: " + b"b" * 40_000,
    ],
    ids=["chunks", "one extension", "extensions", "trailers", "one trailer"],
)
async def test_bytes_around_a_body(api: ApiFixture, body: bytes) -> None:
    """Chunks, their extensions and trailers are limited; the request that has too many is 413."""
    bearer = "".join(f"{name}: {value}\r\n" for name, value in api.bearer("shop", "events").items())
    head = f"POST /v1/events HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n{bearer}\r\n".encode()
    async with serving(api) as (client, _):
        responses = await client.responses(head, body)

    assert [status for status, _ in responses] == [413]


@pytest.mark.conformance("RFC 9110", "6.5.1 trailer fields", "Trailer fields are dropped.")
async def test_trailers_are_not_headers(api: ApiFixture) -> None:
    """A trailer cannot add a header to the request after it was authorised (RFC 9110, section 6.5.1)."""
    bearer = api.bearer("shop", "events")["Authorization"].encode()
    head = b"POST /v1/events HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    async with serving(api) as (client, _):
        responses = await client.responses(head, b"2\r\n{}\r\n0\r\nAuthorization: " + bearer + b"\r\n\r\n")

    assert [status for status, _ in responses] == [401]


@pytest.mark.conformance(
    "RFC 9112", "9.3.2 pipelining", "Responses come in the order of requests; at most 16 wait."
)
async def test_pipelined_requests(api: ApiFixture) -> None:
    """Pipelined requests are answered in order; beyond the limit no more are read, and the connection closes."""
    async with serving(api) as (client, _):
        few = await client.responses(
            (LIVEZ + b"\r\n") * 5 + b"GET /none HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"
        )
        many = await client.responses((LIVEZ + b"\r\n") * 5000)

    assert [status for status, _ in few] == [200] * 5 + [404]
    assert {status for status, _ in many} == {200}
    assert 16 <= len(many) <= 32


async def test_a_bad_request_behind_a_good_one(api: ApiFixture) -> None:
    """The good request has its own response; the error is not taken for it."""
    async with serving(api) as (client, _):
        responses = await client.responses(LIVEZ + b"\r\nNONSENSE\r\n\r\n")

    assert [status for status, _ in responses][:1] == [200]
    assert 400 not in [status for status, _ in responses][:1]


@pytest.mark.conformance("RFC 9110", "15.5.9 408", "A request that does not arrive in time is 408.")
async def test_slow_heads_and_bodies(api: ApiFixture) -> None:
    """A head or a body that does not arrive in time is 408, also when a byte comes now and then."""
    bearer = "".join(f"{name}: {value}\r\n" for name, value in api.bearer("shop", "events").items()).encode()
    post = b"POST /v1/events HTTP/1.1\r\n" + HOST + bearer + b"Content-Length: 100000\r\n\r\n"

    async def drip(client: Raw, start: bytes) -> list[tuple[int, bytes]]:
        reader, writer = await client.connect()
        writer.write(start)
        answer = asyncio.create_task(reader.read(-1))
        while not answer.done():
            with suppress(OSError):
                writer.write(b"a")
            await asyncio.wait({answer}, timeout=0.1)
        return split(answer.result())

    async with serving(api, header_timeout=1, body_timeout=1) as (client, _):
        async with asyncio.timeout(20):
            head, body, nothing = await asyncio.gather(
                drip(client, LIVEZ + b"X: "), drip(client, post), client.responses()
            )

    assert [status for status, _ in head] == [408]
    assert [status for status, _ in body] == [408]
    assert nothing == []


@pytest.mark.conformance(
    "RFC 9112", "3.2.2 absolute-form", "A target in absolute form is its path and query."
)
@pytest.mark.conformance("RFC 9112", "3.2.4 asterisk-form", "OPTIONS * is answered for the whole server.")
@pytest.mark.conformance("RFC 9110", "6.6.1 Date", "Every response has a Date.")
@pytest.mark.conformance(
    "RFC 9110", "7.8 Upgrade", "Upgrade is ignored; the connection closes after the response."
)
async def test_forms_of_a_target(api: ApiFixture) -> None:
    """Each is answered on a real connection, which has a date in each response, an error too."""
    end = HOST + b"Connection: close\r\n\r\n"
    upgrade = HOST + b"Connection: upgrade\r\nUpgrade: websocket\r\n\r\n"
    async with serving(api) as (client, _):
        for target, status in (
            (b"GET http://tocsin.test/livez HTTP/1.1\r\n" + end, 200),
            (b"GET http://tocsin.test HTTP/1.1\r\n" + end, 404),
            (b"OPTIONS * HTTP/1.1\r\n" + end, 204),
            (b"GET * HTTP/1.1\r\n" + end, 400),
            (b"CONNECT tocsin.test:443 HTTP/1.1\r\n" + end, 400),
            (b"GET /livez HTTP/1.0\r\n\r\n", 200),
            (b"GET /livez HTTP/1.1\r\n" + upgrade, 200),
            (b"HEAD /livez HTTP/1.1\r\n" + end, 200),
        ):
            reader, writer = await client.connect()
            writer.write(target)
            async with asyncio.timeout(10):
                text = await reader.read(-1)
            assert text.startswith(b"HTTP/1.1 %d " % status), target
            assert b"\r\ndate: " in text
            assert (b"ok" in text) is (status == 200 and not target.startswith(b"HEAD"))


async def test_a_client_that_does_not_read(api: ApiFixture) -> None:
    """A response that is not read in time is given up, with its connection."""
    for n in range(20):
        await api.add(inbox_item("overbid", id=f"{n}", lot_id="x" * 1_000_000))
    bearer = "".join(f"{name}: {value}\r\n" for name, value in api.bearer().items()).encode()
    async with serving(api, send_timeout=0.5) as (client, server):
        _, writer = await client.connect()
        writer.transport.pause_reading()
        writer.write(b"GET /notifications HTTP/1.1\r\n" + HOST + bearer + b"\r\n")
        await eventually(
            lambda: server.server_state.total_requests or _unsent(server), 20, lambda: "no response"
        )
        clock = asyncio.get_running_loop()
        for connection in list(server.server_state.connections):
            connection.tick(clock.time())  # type: ignore[union-attr]
            connection.tick(clock.time() + 3600)  # type: ignore[union-attr]
        await eventually(
            lambda: not server.server_state.connections, 10, lambda: "the connection is still open"
        )


def _unsent(server: ApiServer) -> bool:
    return any(c.transport.get_write_buffer_size() for c in server.server_state.connections)


async def test_connections_are_limited(api: ApiFixture) -> None:
    """Beyond the limit, in all or of one address, a connection is answered 503 and closed; the others are served."""
    for settings in ({"max_connections": 3}, {"max_connections_per_address": 3}):
        async with serving(api, **settings) as (client, server):
            held = [await client.connect() for _ in range(3)]
            await eventually(lambda: len(server.server_state.connections) == 3, 10, lambda: "not connected")
            over = await client.responses()
            held[0][1].transport.abort()
            await eventually(lambda: len(server.server_state.connections) == 2, 10, lambda: "not closed")
            served = await client.responses(LIVEZ + b"Connection: close\r\n\r\n")

        assert [status for status, _ in over] == [503]
        assert [status for status, _ in served] == [200]


async def test_a_large_body_is_answered_before_the_connection_closes(api: ApiFixture) -> None:
    """A client that sends on sees 413 and not a reset, whether it declares the length or not."""
    for size, wrap in ((b"Content-Length: 3000000", bytes), (b"Transfer-Encoding: chunked", _chunked)):
        head = b"POST /v1/events HTTP/1.1\r\n" + HOST + size + b"\r\n"
        bearer = "".join(f"{n}: {v}\r\n" for n, v in api.bearer("shop", "events").items()).encode()
        async with serving(api) as (client, _):
            parts = [wrap(b" " * 60_000) for _ in range(25)]
            responses = await client.responses(head + bearer + b"\r\n", *parts)

        assert [status for status, _ in responses] == [413]


def _chunked(part: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(part), part)


async def test_an_abandoned_body_is_no_error(api: ApiFixture, caplog: pytest.LogCaptureFixture) -> None:
    """A client that goes away in the middle of its body leaves no line in the log."""
    bearer = "".join(f"{n}: {v}\r\n" for n, v in api.bearer("shop", "events").items()).encode()
    async with serving(api) as (client, server):
        _, writer = await client.connect()
        writer.write(b"POST /v1/events HTTP/1.1\r\n" + HOST + bearer + b"Content-Length: 10\r\n\r\n{")
        await eventually(lambda: bool(server.server_state.tasks), 10, lambda: "not begun")
        writer.transport.abort()
        await eventually(lambda: not server.server_state.tasks, 10, lambda: "not ended")

    assert "Exception" not in caplog.text
    assert "request_failed" not in caplog.text


@pytest.mark.parametrize("hostile", ["header lines", "one header", "chunks", "pipeline", "blank lines"])
async def test_the_cost_of_hostile_bytes_grows_with_their_number(api: ApiFixture, hostile: str) -> None:
    """Twice the bytes cost at most two and a half times the CPU: nothing is copied again and again."""
    make: dict[str, Callable[[int], bytes]] = {
        "header lines": lambda n: LIVEZ + b"a:b\r\n" * (n // 5),
        "one header": lambda n: LIVEZ + b"a:" + b"b" * n,
        "chunks": lambda n: (
            b"POST /v1/events HTTP/1.1\r\n"
            + HOST
            + b"Transfer-Encoding: chunked\r\n\r\n"
            + b"1\r\n \r\n" * (n // 6)
        ),
        "pipeline": lambda n: (LIVEZ + b"\r\n") * (n // 45),
        "blank lines": lambda n: b"\r\n" * (n // 2),
    }
    async with serving(api) as (client, _):

        async def cost_s(size: int) -> float:
            best = float("inf")
            for _ in range(3):
                began = time.process_time()
                await client.responses(make[hostile](size))
                best = min(best, time.process_time() - began)
            return best

        await cost_s(1_000_000)
        small, large = await cost_s(1_000_000), await cost_s(2_000_000)

    assert large < 2.5 * small + 0.05


async def _tries(client: Raw, *forwarded: str) -> list[int]:
    """Guess a password with each of these X-Forwarded-For; return the statuses."""
    statuses = []
    for value in forwarded:
        fields = (
            b"Authorization: Basic eDp5\r\nConnection: close\r\nX-Forwarded-For: "
            + value.encode()
            + b"\r\n\r\n"
        )
        path = b"GET /api/2.0/notification_contacts/ HTTP/1.1\r\n"
        statuses += [status for status, _ in await client.responses(path + HOST + fields)]
    return statuses


async def test_forwarded_addresses_are_believed_of_proxies_only() -> None:
    """By default of none, loopback included; of a proxy the last address that is not itself a proxy."""
    limits = LimitSettings(
        passwords="2/minute", passwords_per_account="", passwords_per_account_and_address=""
    )
    invented = [f"192.0.2.{n}" for n in range(4)]
    for proxies, forwarded, statuses in (
        ("", invented, [401, 401, 429, 429]),
        ("127.0.0.1", invented, [401] * 4),
        ("127.0.0.1", [f"{text}, 198.51.100.1" for text in invented], [401, 401, 429, 429]),
        (
            "127.0.0.1,10.0.0.0/8",
            [f"{text}, 198.51.100.1, 10.1.2.3" for text in invented],
            [401, 401, 429, 429],
        ),
        ("10.0.0.0/8", invented, [401, 401, 429, 429]),
    ):
        async with fake_api(limits=limits) as api, serving(api, forwarded_allow_ips=proxies) as (client, _):
            assert await _tries(client, *forwarded) == statuses, proxies


def test_proxies_are_addresses_or_networks() -> None:
    """A name, or an asterisk that would believe everyone, is refused when the settings are read."""
    for wrong in ("*", "proxy.test", "10.0.0.0/33", "127.0.0.1, x"):
        with pytest.raises(ValueError, match="forwarded_allow_ips"):
            HttpSettings(forwarded_allow_ips=wrong)


async def test_a_proxy_may_open_many_connections(api: ApiFixture) -> None:
    """The connections of a trusted proxy are those of many clients: only the limit of the process holds for them."""
    proxied = {"forwarded_allow_ips": "127.0.0.1", "max_connections_per_address": 2}
    async with serving(api, **proxied) as (client, server):
        for _ in range(5):
            await client.connect()
        await eventually(lambda: len(server.server_state.connections) == 5, 10, lambda: "not connected")
        assert (await client.responses(LIVEZ + b"Connection: close\r\n\r\n"))[0][0] == 200
