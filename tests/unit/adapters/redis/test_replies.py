"""Replies on a connection to Redis."""

import asyncio
from typing import Any

import pytest
from redis import exceptions as redis
from redis.asyncio.connection import Connection

from service.adapters.redis.connect.replies import Replies


class Streams(asyncio.Protocol):
    """What redis-py's streams learn of the connection."""

    def __init__(self) -> None:
        self.events = list[str]()

    def eof_received(self) -> bool | None:
        self.events.append("eof")
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self.events.append("lost")


def make() -> tuple[Replies, Streams]:
    streams = Streams()
    return Replies(streams, Connection()._parser.parse_error), streams


async def received(replies: Replies, number: int, *parts: bytes) -> list[Any]:
    waiting = asyncio.create_task(replies.receive(number, 30))
    await asyncio.sleep(0)
    for part in parts:
        replies.data_received(part)
    return await waiting


async def test_replies_that_arrive_in_parts() -> None:
    """They are returned together, in order, whatever the packets are."""
    replies, _ = make()

    assert await received(replies, 3, b"+O", b"K\r\n:1\r\n$2\r", b"\nab\r\n") == [b"OK", 1, b"ab"]
    assert await received(replies, 1, b"*2\r\n:1\r\n", b":2\r\n") == [[1, 2]]


async def test_an_error_is_in_its_place() -> None:
    """As redis-py's exception of that code."""
    replies, _ = make()

    one, two = await received(replies, 2, b"-NOSCRIPT no such script\r\n+OK\r\n")

    assert isinstance(one, redis.NoScriptError)
    assert two == b"OK"


async def test_a_push_is_no_reply() -> None:
    """The server may send one at any time (RESP3)."""
    replies, _ = make()

    assert await received(replies, 1, b">2\r\n+invalidate\r\n*0\r\n", b"+OK\r\n") == [b"OK"]


async def test_no_reply_in_time() -> None:
    """The wait ends."""
    replies, _ = make()

    with pytest.raises(TimeoutError):
        await replies.receive(1, 0.01)


async def test_what_is_not_resp() -> None:
    """The wait ends with redis-py's error."""
    replies, _ = make()

    with pytest.raises(redis.InvalidResponse):
        await received(replies, 1, b"HTTP/1.1 400 Bad Request\r\n")


@pytest.mark.parametrize("event", ["eof", "lost"])
async def test_a_lost_connection(event: str) -> None:
    """The wait ends, and the streams learn of it."""
    replies, streams = make()
    waiting = asyncio.create_task(replies.receive(1, 30))
    await asyncio.sleep(0)

    if event == "eof":
        replies.eof_received()
    else:
        replies.connection_lost(ConnectionResetError())

    with pytest.raises((redis.ConnectionError, ConnectionResetError)):
        await waiting
    assert streams.events == [event]
