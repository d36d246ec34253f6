"""Which event of a supersede key is the newest: only that one is still worth a mail."""

from collections.abc import Sequence

from service.adapters.redis.client import Plan, Script, Store

_SUPERSEDE = Script("supersede", complete_only=True)


class RedisSupersedeIndex:
    """The Supersede port. `keep_s`: how long a key is remembered after its last event, in seconds."""

    def __init__(self, store: Store, *, keep_s: int = 7 * 86_400) -> None:
        self._store = store
        self._keep_s = keep_s

    async def supersede(self, items: Sequence[tuple[str, str, int]]) -> Sequence[str]:
        """Note events as (key, event, time_ms); for each its key's newest event, of equals the greater.

        The order in which events are noted does not matter, nor how often.
        """
        latest: dict[str, tuple[int, str]] = {}
        for key, event, time_ms in items:
            if (time_ms, event) > latest.get(key, (time_ms - 1, "")):
                latest[key] = (time_ms, event)
        plan = Plan(_SUPERSEDE, self._store.cluster, (self._keep_s,))
        for i, (key, (time_ms, event)) in enumerate(latest.items()):
            plan.place(self._store.keys.newest(key), (i,)).args += (time_ms, event)
        answers = (await self._store.run(plan))[0]
        newest = {key: answer.decode() for key, answer in zip(latest, answers, strict=True)}
        return [newest[key] for key, _, _ in items]

    async def newest(self, keys: Sequence[str]) -> Sequence[str | None]:
        """The newest event of each key; None where none is remembered."""
        if not keys:
            return []
        rows, _ = await self._store.fetch([self._store.keys.newest(key) for key in keys])
        return [None if row is None else row.partition(b"\t")[2].decode() for row in rows]
