"""The windows of digests: which digest an item is in, and the items of each."""

from collections.abc import Sequence

from service.adapters.redis.client import Store
from service.adapters.redis.script_batch import CHUNK, Script, ScriptBatch
from service.adapters.redis.unreadable_rows import readable
from service.model.delivery import Delivery
from service.model.holds.digest import DigestItem
from service.model.ids import DELIVERY_BYTES
from service.ports import DigestContent, DigestPlace
from service.ports.turns import Turns

_ADD = Script("digest_functions", "digest_add", complete_only=True)
_SEAL = Script("digest_functions", "digest_seal", complete_only=True)
_RESTORE = Script("digest_functions", "digest_restore", complete_only=True)
_REMOVE = Script("digest_functions", "digest_remove", complete_only=True)
_DIGEST_SIZE = 25
"""What a digest counts for in the limit of a script call: it may have a thousand items."""

_TOGETHER = 50
"""Digests that are read at a time: each may have 1 MiB."""


class RedisDigestWindows:
    """Implements the DigestWindows port."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def add(self, items: Sequence[DigestItem]) -> Sequence[DigestPlace]:
        """Put items into the open windows, opening those that are not there. Return the place of each."""
        batch = ScriptBatch(_ADD, self._store.cluster)
        recipients = (item.delivery.recipient for item in items)
        for i, args in batch.grouped(recipients, self._store.keys.digests):
            delivery, window, digest, due_ms = items[i]
            args.extend((bytes.fromhex(delivery.id), delivery.to_bytes(), window))
            args.extend((digest.id, digest.created_ms, due_ms))
        places = []
        for item, (digest_id, opened_ms, due) in zip(items, (await self._store.run(batch))[0], strict=True):
            id_ = digest_id.decode()
            places.append(DigestPlace(id_, int(opened_ms), int(due), id_ == item.digest.id))
        return places

    async def seal(self, digests: Sequence[Delivery]) -> Sequence[int]:
        """Close the windows of digests, and return the number of their items; 0 for one without a window."""
        batch = ScriptBatch(_SEAL, self._store.cluster)
        recipients = (digest.recipient for digest in digests)
        for i, args in batch.grouped(recipients, self._store.keys.digests):
            args.append(digests[i].id)
        sizes: Sequence[int] = (await self._store.run(batch))[0]
        return sizes

    async def content(self, digests: Sequence[tuple[str, str]]) -> Sequence[DigestContent | None]:
        """Return the items of digests by (recipient, digest id); None for one without a window."""
        contents: list[DigestContent | None] = []
        turns = Turns()
        for start in range(0, len(digests), _TOGETHER):
            commands: list[tuple[str | int, ...]] = []
            for recipient, digest in digests[start : start + _TOGETHER]:
                key = self._store.keys.digests(recipient)
                commands += [("HGET", key, digest), ("LRANGE", f"{key}:{digest}", 0, -1)]
            replies = await self._store.pipeline(commands)
            for window, rows in zip(replies[::2], replies[1::2], strict=True):
                opened = None if window is None else window.partition(b" ")[0]
                contents.append(None if opened is None else await _content(opened, rows, turns))
        return contents

    async def sizes(self, digests: Sequence[tuple[str, str]]) -> Sequence[int]:
        """Return the number of items of digests by (recipient, digest id); 0 for one without a window."""
        keys = self._store.keys
        return await self._store.pipeline(
            [("LLEN", f"{keys.digests(recipient)}:{digest}") for recipient, digest in digests]
        )

    async def digests_of(self, items: Sequence[tuple[str, str]]) -> Sequence[str]:
        """Return the digest in whose window each (recipient, item) is; empty for one that is in none."""
        keys = self._store.keys
        digests = await self._store.pipeline(
            [("HGET", f"{keys.digests(recipient)}:items", bytes.fromhex(item)) for recipient, item in items]
        )
        return [(digest or b"").decode() for digest in digests]

    async def restore(self, digest: Delivery, window: str, items: Sequence[Delivery], due_ms: int) -> None:
        """Put items into a certain digest; one that is in another digest leaves that. `due_ms` 0: it is sealed."""
        key = self._store.keys.digests(digest.recipient)
        for start in range(0, max(1, len(items)), CHUNK):
            rows = [
                value
                for item in items[start : start + CHUNK]
                for value in (bytes.fromhex(item.id), item.to_bytes())
            ]
            await self._store.run_script(_RESTORE, key, digest.id, digest.created_ms, due_ms, window, *rows)

    async def remove(self, digests: Sequence[tuple[str, str]]) -> None:
        """Remove the windows of (recipient, digest id) with their items."""
        batch = ScriptBatch(_REMOVE, self._store.cluster)
        for i, (recipient, digest) in enumerate(digests):
            args = batch.add_key(self._store.keys.digests(recipient), (i,), _DIGEST_SIZE).args
            args.extend((1, digest))
        await self._store.run(batch)


async def _content(opened_ms: bytes, rows: Sequence[bytes], turns: Turns) -> DigestContent:
    """Return the items of a digest from its list, oldest first."""
    items = []
    for row in rows:
        if (item := readable("digest", Delivery.from_bytes, row[DELIVERY_BYTES:])) is not None:
            items.append(item)
        await turns.worked(len(row))
    items.sort(key=lambda item: (item.received_ms, item.id))
    return DigestContent(int(opened_ms), items)
