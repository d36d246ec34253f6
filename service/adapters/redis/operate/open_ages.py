"""How old the oldest delivery is that waits: for its next attempt, or for an operator. For metrics, so cheap to ask."""

from collections.abc import Mapping

from service.adapters.redis.client import Command, Store
from service.adapters.redis.keys import DUE_SHARDS
from service.adapters.redis.ledger.ledger import RedisLedger
from service.model.catalogue import Lane
from service.model.ledger import State

WAITING = (State.deferred, State.ambiguous)
"""The states in which a delivery waits in the due set."""
_LOOKED_AT = 64


class RedisOpenAges:
    """Reads the first of each sorted set; nothing is scanned."""

    def __init__(self, store: Store, ledger: RedisLedger) -> None:
        self._store = store
        self._ledger = ledger

    async def waiting(self) -> Mapping[tuple[Lane, State], int]:
        """For each lane and state of the due set that has any, when the oldest event came in (ms)."""
        keys = self._store.keys
        sets = [(lane, state) for lane in Lane for state in WAITING]
        commands: list[Command] = [
            ("ZRANGE", f"{keys.due(shard)}:{lane}:{state}", 0, 0, "WITHSCORES")
            for lane, state in sets
            for shard in range(DUE_SHARDS)
        ]
        firsts = await self._store.pipeline(commands)
        oldest: dict[tuple[Lane, State], int] = {}
        for n, found in enumerate(firsts):
            for _, score in found:
                which = sets[n // DUE_SHARDS]
                oldest[which] = min(int(score), oldest.get(which, int(score)))
        return oldest

    async def held(self) -> Mapping[Lane, int]:
        """For each lane that has any, since when its oldest delivery waits for an operator (ms).

        What an operator has decided is forgotten here, when it is met: at most some at a time.
        """
        oldest: dict[Lane, int] = {}
        for lane in Lane:
            key = self._store.keys.held(lane)
            (found,) = await self._store.pipeline([("ZRANGE", key, 0, _LOOKED_AT - 1, "WITHSCORES")])
            for member, score in found:
                event, _, delivery = member.decode().rpartition(":")
                entry = await self._ledger.entry(event, delivery)
                if entry is not None and entry.state is State.held:
                    oldest[lane] = int(score)
                    break
                await self._store.pipeline([("ZREM", key, member)])
        return oldest
