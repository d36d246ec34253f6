"""The stream of changes of each inbox, for live updates that resume where they were cut off."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from typing import Any

from service.adapters.redis.client import Command, Store
from service.adapters.redis.inbox.rows import item_of
from service.ports import InboxChange, InboxChangeKind, InboxItem

_START = "0-0"
_UNTRIMMED = 1000  # a stream shorter than this has lost nothing: see CHANGES in inbox_lib.lua
_POSITION = re.compile(r"\d{1,19}-\d{1,19}")  # what surely fits the 64 bits that Redis has
_ASK_AGAIN_S = 0.2


class RedisInboxChanges:
    """The InboxChanges port."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def position(self, recipient: str) -> str:
        """Where the stream stands now: take it before a snapshot, then ask for what came after it."""
        (last,) = await self._store.pipeline([_last(self._stream(recipient))])
        return last[0][0].decode() if last else _START

    async def since(self, recipient: str, position: str) -> Sequence[InboxChange] | None:
        """The changes after a position, oldest first; None when some of them are no longer kept.

        A position that is none counts as one that is no longer kept.
        """
        if not _POSITION.fullmatch(position):
            return None
        stream = self._stream(recipient)
        commands: list[Command] = [("XRANGE", stream, f"({position}", "+"), ("XLEN", stream)]
        found, length, here = await self._store.pipeline([*commands, ("XRANGE", stream, position, position)])
        if length >= _UNTRIMMED if position == _START else not here:
            return None
        new = {i for _, fields in found for i, what in fields.items() if what == b"new"}
        items = await self._items(recipient, sorted(new))
        return [_change(entry, fields, items) for entry, fields in found]

    async def moved(self, positions: Mapping[str, str], timeout_s: float) -> Sequence[str]:
        """Wait until streams stand after these positions; of which recipients. Empty after the timeout."""
        if not positions:
            await asyncio.sleep(timeout_s)
            return []
        streams = {self._stream(recipient): recipient for recipient in positions}
        if self._store.cluster:
            return await self._ask(streams, positions, timeout_s)
        block_ms = max(1, round(timeout_s * 1000))
        command: Command = ("XREAD", "COUNT", 1, "BLOCK", block_ms, "STREAMS")
        reply = await self._store.wait(timeout_s + 1, *command, *streams, *positions.values())
        return [streams[name.decode()] for name in _streams(reply)]

    async def _ask(
        self, streams: Mapping[str, str], positions: Mapping[str, str], timeout_s: float
    ) -> list[str]:
        """As a cluster lets one command wait for one slot only, look now and then."""
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout_s
        while True:
            lasts = await self._store.pipeline([_last(stream) for stream in streams])
            moved = [
                recipient
                for recipient, last in zip(streams.values(), lasts, strict=True)
                if last and _order(last[0][0].decode()) > _order(positions[recipient])
            ]
            left = end - loop.time()
            if moved or left <= 0:
                return moved
            await asyncio.sleep(min(_ASK_AGAIN_S, left))

    async def _items(self, recipient: str, ids: Sequence[bytes]) -> dict[bytes, InboxItem]:
        if not ids:
            return {}
        (rows,) = await self._store.pipeline([("HMGET", self._store.keys.inbox(recipient), *ids)])
        return {i: item_of(recipient, i, row) for i, row in zip(ids, rows, strict=True) if row}

    def _stream(self, recipient: str) -> str:
        return f"{self._store.keys.inbox(recipient)}:changes"


def _last(stream: str) -> Command:
    return ("XREVRANGE", stream, "+", "-", "COUNT", 1)


def _order(position: str) -> tuple[int, int]:
    time, _, number = position.partition("-")
    return int(time), int(number)


def _change(entry: bytes, fields: Mapping[bytes, bytes], items: Mapping[bytes, InboxItem]) -> InboxChange:
    ids = list(fields)
    kind = InboxChangeKind(fields[ids[0]].decode())
    item = items.get(ids[0]) if kind is InboxChangeKind.new else None
    return InboxChange(entry.decode(), kind, [i.decode() for i in ids], item)


def _streams(reply: Any) -> list[bytes]:
    """The streams that XREAD found something in: a mapping in RESP3, pairs in RESP2."""
    return list(reply) if isinstance(reply, dict) else [pair[0] for pair in reply or ()]
