"""How often mailboxes could not take mail of late."""

from collections.abc import Mapping, Sequence

from service.adapters.redis.client import Plan, Script, Store
from service.model.soft_bounce import SoftBounceScore

_ADD, _PUT = Script("soft_bounce", complete_only=True), Script("soft_bounce_put", complete_only=True)
WEEK_MS = 7 * 86_400_000
_KEEP_S = 8 * 7 * 86_400  # by then a score is 1/256 of what it was


class RedisSoftBounceScores:
    """The SoftBounces port."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def add(self, address_keys: Sequence[str], at_ms: int) -> Sequence[SoftBounceScore]:
        """Add one to each; the scores now. A key named twice counts twice."""
        plan = Plan(_ADD, self._store.cluster)
        for i, key in enumerate(address_keys):
            plan.place(self._store.keys.soft_bounces(key), (i,)).args += (at_ms, WEEK_MS, _KEEP_S)
        (rows,) = await self._store.run(plan)
        pairs = [row.split(b"\t") for row in rows]
        return [SoftBounceScore(float(value), int(at)) for value, at in pairs]

    async def put(self, scores: Mapping[str, SoftBounceScore], now_ms: int) -> None:
        """Put scores back by their address keys, but for those that a newer one stands for, or that have faded."""
        plan = Plan(_PUT, self._store.cluster)
        for i, (key, score) in enumerate(scores.items()):
            left_s = max(0, _KEEP_S - (now_ms - score.at_ms) // 1000)
            args = plan.place(self._store.keys.soft_bounces(key), (i,)).args
            args += (f"{score.value:.6f}", score.at_ms, left_s)
        await self._store.run(plan)

    async def clear(self, address_key: str) -> None:
        """Forget an address."""
        await self._store.pipeline([("DEL", self._store.keys.soft_bounces(address_key))])
