"""The change stream of each inbox, for live updates that resume at a position.

A stream exists while a client listens, and an hour longer: its first entry costs 4 kB, and most inboxes have no
listener. Scripts append changes to a stream that exists; a listener whose stream is gone reads the inbox again.
"""

import asyncio
import re
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from service.adapters.redis.client import Store
from service.adapters.redis.inbox.rows import id_of, readable_item
from service.adapters.redis.script_batch import Command, Script
from service.ports import InboxChange, InboxChangeKind, InboxItem
from service.ports.turns import Turns

_LISTEN = Script("inbox_listen")
_KEEP_S, _KEEP_AGAIN_S = 3600, 600.0
_READ_AT_ONCE, _MOST_BYTES = 50, 16 * 1024 * 1024
_POSITION = re.compile(r"[0-9]{1,19}-[0-9]{1,19}")  # fits the 64 bits of Redis
_POLL_S = 0.2


class RedisInboxChanges:
    """Implements the InboxChanges port."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._keep_again_s: dict[str, float] = {}
        """When the streams that this process listens to must be kept again, by recipient (monotonic)."""

    async def position(self, recipient: str) -> str:
        """Return the current position of a recipient's stream; begin the stream where there is none.

        Read it before a snapshot, then the changes since: a change between the two is then read twice, never missed.
        """
        position: bytes = await self._store.run_script(_LISTEN, self._stream(recipient), _KEEP_S)
        return position.decode()

    async def since(self, recipient: str, position: str) -> Sequence[InboxChange] | None:
        """Return the changes after a position, oldest first; None when some of them are no longer kept.

        Text that is not a position counts as one that is no longer kept, and so do changes that are too large together.
        """
        if not _POSITION.fullmatch(position):
            return None
        stream = self._stream(recipient)
        entries, here = await self._store.pipeline(
            [("XRANGE", stream, f"({position}", "+"), ("XRANGE", stream, position, position)]
        )
        if not here:
            return None
        new = {i for _, fields in entries for i, kind in fields.items() if kind == b"new"}
        items = await self._items(recipient, sorted(new))
        if items is None:
            return None
        return [_change(entry, fields, items) for entry, fields in entries]

    async def wait_for_changes(self, positions: Mapping[str, str], timeout_s: float) -> Sequence[str]:
        """Wait until streams have changes after their positions, by recipient. Return the recipients of those.

        Empty after the timeout.
        """
        if not positions:
            await asyncio.sleep(timeout_s)
            return []
        await self._keep(positions)
        streams = {self._stream(recipient): recipient for recipient in positions}
        if self._store.cluster:
            return await self._poll(streams, positions, timeout_s)
        block_ms = max(1, round(timeout_s * 1000))
        command: Command = ("XREAD", "COUNT", 1, "BLOCK", block_ms, "STREAMS")
        reply = await self._store.run_blocking(timeout_s + 1, *command, *streams, *positions.values())
        return [streams[name.decode()] for name in _streams(reply)]

    async def _keep(self, recipients: Collection[str]) -> None:
        """Keep the streams of these recipients for another hour, once in ten minutes each."""
        now_s, known = time.monotonic(), self._keep_again_s
        self._keep_again_s = {one: known.get(one, 0.0) for one in recipients}
        if due := [one for one, at_s in self._keep_again_s.items() if at_s <= now_s]:
            await self._store.pipeline([("EXPIRE", self._stream(one), _KEEP_S) for one in due])
            self._keep_again_s.update(dict.fromkeys(due, now_s + _KEEP_AGAIN_S))

    async def _poll(
        self, streams: Mapping[str, str], positions: Mapping[str, str], timeout_s: float
    ) -> list[str]:
        """Read the streams at intervals: on a cluster, one command can block on the keys of one slot only."""
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout_s
        while True:
            lasts = await self._store.pipeline([_last(stream) for stream in streams])
            changed = [
                recipient
                for recipient, last in zip(streams.values(), lasts, strict=True)
                if last and _order(last[0][0].decode()) > _order(positions[recipient])
            ]
            left_s = end - loop.time()
            if changed or left_s <= 0:
                return changed
            await asyncio.sleep(min(_POLL_S, left_s))

    async def _items(self, recipient: str, ids: Sequence[bytes]) -> dict[bytes, InboxItem] | None:
        """Return the entries of these ids; None when they are more than is held in memory at a time."""
        turns, items, size = Turns(), dict[bytes, InboxItem](), 0
        for start in range(0, len(ids), _READ_AT_ONCE):
            part = ids[start : start + _READ_AT_ONCE]
            (rows,) = await self._store.pipeline([("HMGET", self._store.keys.inbox(recipient), *part)])
            size += sum(len(row or b"") for row in rows)
            if size > _MOST_BYTES:
                return None
            for i, row in zip(part, rows, strict=True):
                if row and (item := readable_item(recipient, i, row)) is not None:
                    items[i] = item
                await turns.worked(len(row or b""))
        return items

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
    return InboxChange(entry.decode(), kind, [id_of(i) for i in ids], item)


def _streams(reply: Any) -> list[bytes]:
    """Return the names of the streams in a reply to XREAD: a mapping in RESP3, pairs in RESP2."""
    return list(reply) if isinstance(reply, dict) else [pair[0] for pair in reply or ()]
