"""Soft bounce scores: how often a mailbox could not take mail recently."""

from collections.abc import Mapping, Sequence

from service.adapters.redis.client import Store
from service.adapters.redis.script_batch import Script, ScriptBatch
from service.model.blocks.suppression import SoftBounceScore

_ADD, _PUT = Script("soft_bounce_add", complete_only=True), Script("soft_bounce_put", complete_only=True)
WEEK_MS = 7 * 86_400_000
_KEEP_S = 8 * 7 * 86_400  # by then a score is 1/256 of its value


class RedisSoftBounceScores:
    """Implements the SoftBounceScores port."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def add(self, failures: Sequence[tuple[str, str]], at_ms: int) -> Sequence[SoftBounceScore]:
        """Add one to the score of each address, once a day for each delivery; return the scores."""
        batch = ScriptBatch(_ADD, self._store.cluster)
        for i, (key, delivery) in enumerate(failures):
            batch.add_key(self._store.keys.soft_bounces(key), (i,)).args += (
                at_ms,
                WEEK_MS,
                _KEEP_S,
                delivery,
            )
        (rows,) = await self._store.run(batch)
        pairs = [row.split(b"\t") for row in rows]
        return [SoftBounceScore(float(value), int(at)) for value, at in pairs]

    async def put(self, scores: Mapping[str, SoftBounceScore], now_ms: int) -> None:
        """Restore scores by their address keys, except where a newer one is stored and except those that have faded."""
        batch = ScriptBatch(_PUT, self._store.cluster)
        for i, (key, score) in enumerate(scores.items()):
            left_s = max(0, _KEEP_S - (now_ms - score.at_ms) // 1000)
            args = batch.add_key(self._store.keys.soft_bounces(key), (i,)).args
            args += (f"{score.value:.6f}", score.at_ms, left_s)
        await self._store.run(batch)

    async def clear(self, address_key: str) -> None:
        """Delete the score of an address."""
        await self._store.pipeline([("DEL", self._store.keys.soft_bounces(address_key))])
