"""What a rebuild notes down while it reads history: which deliveries wait for their next attempt, and since when."""

from collections.abc import Mapping, Sequence

from service.adapters.redis.client import Command, Store


class RedisPendingRetries:
    """The DueNotes port: one hash, delivery id → `NEXT_MS ATTEMPT`, gone after the rebuild."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._key = store.keys.rebuild

    async def note(self, waiting: Mapping[str, tuple[int, int]], over: Sequence[str]) -> None:
        """Remember next attempts (time in ms, attempts so far), and forget those that are over."""
        commands: list[Command] = []
        if waiting:
            pairs = [text for i, (at, attempt) in waiting.items() for text in (i, f"{at} {attempt}")]
            commands.append(("HSET", self._key, *pairs))
        if over:
            commands.append(("HDEL", self._key, *over))
        await self._store.pipeline(commands)

    async def noted(self, ids: Sequence[str]) -> Sequence[tuple[int, int] | None]:
        """For each delivery its next attempt; None when it does not wait."""
        if not ids:
            return []
        (found,) = await self._store.pipeline([("HMGET", self._key, *ids)])
        pairs = (None if note is None else note.split() for note in found)
        return [None if pair is None else (int(pair[0]), int(pair[1])) for pair in pairs]

    async def clear(self) -> None:
        """Forget all."""
        await self._store.pipeline([("UNLINK", self._key)])
