"""Ages of the oldest deliveries that wait for their next attempt, or for an operator: for metrics, so cheap to read."""

from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

from service.adapters.redis.client import Store
from service.adapters.redis.delivery.due import age_lists, held_list
from service.adapters.redis.keys import DUE_SHARDS
from service.adapters.redis.ledger.ledger import RedisLedger
from service.adapters.redis.script_batch import Command
from service.model.catalogue import Lane
from service.model.ledger import WAITING, State
from service.model.reasons import HELD_UNTIL_A_TIME, Reason

_MOST_CHECKED = 64
G = TypeVar("G", bound=Hashable)


class RedisOpenAges:
    """Implements the OpenAges port: reads the first members of sorted sets and scans nothing."""

    def __init__(self, store: Store, ledger: RedisLedger) -> None:
        self._store = store
        self._ledger = ledger

    async def waiting(self) -> Mapping[tuple[Lane, State], int]:
        """Return for each lane and state of the due set that has any when its oldest event was received (ms)."""
        groups = [
            ((lane, state), name)
            for lane in Lane
            for state in sorted(WAITING)
            for name in age_lists(lane, state)
        ]
        return await self._oldest(groups)

    async def held_by_reason(self) -> Mapping[tuple[Lane, Reason], int]:
        """Return for each lane and reason that has any when the oldest event held until a time was received (ms)."""
        return await self._oldest(
            [
                ((lane, reason), held_list(lane, reason))
                for lane in Lane
                for reason in sorted(HELD_UNTIL_A_TIME)
            ]
        )

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

    async def _oldest(self, groups: Sequence[tuple[G, str]]) -> Mapping[G, int]:
        """Return the first time (ms) of each group in its sorted sets, in all shards."""
        keys = self._store.keys
        commands: list[Command] = [
            ("ZRANGE", f"{keys.due_shard(shard)}:{name}", 0, 0, "WITHSCORES")
            for _, name in groups
            for shard in range(DUE_SHARDS)
        ]
        oldest: dict[G, int] = {}
        for n, first in enumerate(await self._store.pipeline(commands)):
            for _, score in first:
                group = groups[n // DUE_SHARDS][0]
                oldest[group] = min(int(score), oldest.get(group, int(score)))
        return oldest
