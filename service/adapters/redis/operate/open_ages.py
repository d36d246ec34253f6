"""Ages of the oldest deliveries that wait for their next attempt, or for an operator: for metrics, so cheap to read."""

from collections.abc import Mapping

from service.adapters.redis.client import Store
from service.adapters.redis.keys import DUE_SHARDS
from service.adapters.redis.ledger.ledger import RedisLedger
from service.adapters.redis.script_batch import Command
from service.model.catalogue import Lane
from service.model.ledger import WAITING, State

_MOST_CHECKED = 64


class RedisOpenAges:
    """Implements the OpenAges port: reads the first members of sorted sets and scans nothing."""

    def __init__(self, store: Store, ledger: RedisLedger) -> None:
        self._store = store
        self._ledger = ledger

    async def waiting(self) -> Mapping[tuple[Lane, State], int]:
        """Return for each lane and state of the due set that has any when its oldest event was received (ms)."""
        keys = self._store.keys
        groups = [(lane, state) for lane in Lane for state in sorted(WAITING)]
        commands: list[Command] = [
            ("ZRANGE", f"{keys.due_shard(shard)}:{lane}:{state}", 0, 0, "WITHSCORES")
            for lane, state in groups
            for shard in range(DUE_SHARDS)
        ]
        oldest: dict[tuple[Lane, State], int] = {}
        for n, first in enumerate(await self._store.pipeline(commands)):
            for _, score in first:
                group = groups[n // DUE_SHARDS]
                oldest[group] = min(int(score), oldest.get(group, int(score)))
        return oldest

    async def held(self) -> Mapping[Lane, int]:
        """Return for each lane that has any since when its oldest delivery waits for an operator (ms).

        Deletes deliveries that an operator has decided, as it meets them: at most 64 per lane and call.
        """
        oldest: dict[Lane, int] = {}
        for lane in Lane:
            key = self._store.keys.held(lane)
            (members,) = await self._store.pipeline([("ZRANGE", key, 0, _MOST_CHECKED - 1, "WITHSCORES")])
            for member, score in members:
                event, _, delivery = member.decode().rpartition(":")
                entry = await self._ledger.entry(event, delivery)
                if entry is not None and entry.state is State.held:
                    oldest[lane] = int(score)
                    break
                await self._store.pipeline([("ZREM", key, member)])
        return oldest
