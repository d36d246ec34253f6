"""Notes of a rebuild while it reads history: the deliveries that wait for their next attempt, and when it is."""

from collections.abc import Mapping, Sequence

from service.adapters.redis.client import Store
from service.adapters.redis.script_batch import Command


class RedisPendingRetries:
    """Implements the PendingRetries port: one hash, delivery id → `NEXT_MS ATTEMPT`, deleted after the rebuild."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._key = store.keys.pending_retries

    async def note(self, waiting: Mapping[str, tuple[int, int]], over: Sequence[str]) -> None:
        """Store next attempts (time in ms, attempts so far) by delivery id, and delete those that are over."""
        commands: list[Command] = []
        if waiting:
            pairs = [text for i, (at, attempt) in waiting.items() for text in (i, f"{at} {attempt}")]
            commands.append(("HSET", self._key, *pairs))
        if over:
            commands.append(("HDEL", self._key, *over))
        await self._store.pipeline(commands)

    async def noted(self, ids: Sequence[str]) -> Sequence[tuple[int, int] | None]:
        """Return the next attempt of each delivery; None for one that does not wait."""
        if not ids:
            return []
        (values,) = await self._store.pipeline([("HMGET", self._key, *ids)])
        pairs = (None if value is None else value.split() for value in values)
        return [None if pair is None else (int(pair[0]), int(pair[1])) for pair in pairs]

    async def clear(self) -> None:
        """Delete all notes."""
        await self._store.pipeline([("UNLINK", self._key)])
