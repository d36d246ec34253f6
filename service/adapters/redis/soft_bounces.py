"""How often mailboxes could not take mail of late. In Redis alone: what it leads to, a suppression, is in Kafka."""

from collections.abc import Sequence

from service.adapters.redis.client import Plan, Script, Store

_ADD = Script("soft_bounce")
WEEK_MS = 7 * 86_400_000
_KEEP_S = 8 * 7 * 86_400  # by then a score is 1/256 of what it was


class RedisSoftBounces:
    """The SoftBounces port."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def add(self, address_keys: Sequence[str], at_ms: int) -> Sequence[float]:
        """Add one to each; the scores now. A key named twice counts twice."""
        plan = Plan(_ADD, self._store.cluster)
        for i, key in enumerate(address_keys):
            plan.place(self._store.keys.soft_bounces(key), (i,)).args += (at_ms, WEEK_MS, _KEEP_S)
        (scores,) = await self._store.run(plan)
        return [score / 1000 for score in scores]

    async def clear(self, address_key: str) -> None:
        """Forget an address."""
        await self._store.pipeline([("DEL", self._store.keys.soft_bounces(address_key))])
