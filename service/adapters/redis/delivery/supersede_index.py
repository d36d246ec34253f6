"""The newest event of each supersede key: only that one is still mailed."""

from collections.abc import Sequence

from service.adapters.redis.client import Store
from service.adapters.redis.script_batch import Script, ScriptBatch

_UPDATE = Script("supersede_index_update", complete_only=True)


class RedisSupersedeIndex:
    """Implements the SupersedeIndex port. `keep_s`: how long a key is kept after its last event, in seconds."""

    def __init__(self, store: Store, *, keep_s: int = 7 * 86_400) -> None:
        self._store = store
        self._keep_s = keep_s

    async def supersede(self, items: Sequence[tuple[str, str, int]]) -> Sequence[str]:
        """Record events as (key, event, time_ms); return for each its key's newest event.

        Of events with the same time, the one with the greater event key counts as newer. The result does not depend on
        the order in which events are recorded, nor on how often.
        """
        latest: dict[str, tuple[int, str]] = {}
        for key, event, time_ms in items:
            if (time_ms, event) > latest.get(key, (time_ms - 1, "")):
                latest[key] = (time_ms, event)
        batch = ScriptBatch(_UPDATE, self._store.cluster, (self._keep_s,))
        for i, (key, (time_ms, event)) in enumerate(latest.items()):
            batch.add_key(self._store.keys.newest(key), (i,)).args += (time_ms, event)
        results = (await self._store.run(batch))[0]
        newest = {key: event.decode() for key, event in zip(latest, results, strict=True)}
        return [newest[key] for key, _, _ in items]

    async def newest(self, keys: Sequence[str]) -> Sequence[str | None]:
        """Return the newest event of each key; None for a key that is not stored."""
        if not keys:
            return []
        rows, _ = await self._store.fetch([self._store.keys.newest(key) for key in keys])
        return [None if row is None else row.partition(b"\t")[2].decode() for row in rows]
