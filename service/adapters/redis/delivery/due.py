"""The due set: deferred and ambiguous deliveries that wait for their time, in 16 shards; and held ones."""

from collections.abc import Mapping, Sequence
from itertools import count, pairwise
from secrets import token_hex

from service.adapters.redis.client import Store
from service.adapters.redis.keys import DUE_SHARDS
from service.adapters.redis.script_batch import Script, ScriptBatch
from service.adapters.redis.unreadable_rows import readable
from service.model.catalogue import Lane
from service.model.delivery import Delivery
from service.model.ledger import WAITING, State
from service.ports import Due
from service.ports.turns import Turns

_ADD, _LEASE = Script("due_add", complete_only=True), Script("due_functions", "due_lease")
_SHARE_BYTES = 131_072
"""Bytes of deliveries after which a shard leases no more; due_lease.lua has the same number."""
_MOST_BYTES = 4 * 1024 * 1024
_SETTLE, _DROP = Script("due_functions", "due_remove"), Script("due_functions", "due_drop")


class RedisDueSet:
    """Implements the DueSet port."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._shard_of = store.keys.due_shard_of
        self._shards = [store.keys.due_shard(shard) for shard in range(DUE_SHARDS)]
        self._turns = count()

    async def add(
        self, deliveries: Sequence[Delivery], due_ms: Sequence[int], states: Sequence[State] = ()
    ) -> None:
        """Store deliveries with the time (ms) they are due; one that is there already gets the new time.

        Each delivery id is stored once. Storing it again ends its lease, so the worker that has it settles nothing.
        """
        batch = ScriptBatch(_ADD, self._store.cluster)
        for i, args in batch.grouped(self._shard_of(delivery.id) for delivery in deliveries):
            delivery, state = deliveries[i], states[i] if states else State.deferred
            args.extend(
                (
                    delivery.id,
                    due_ms[i],
                    delivery.to_bytes(),
                    delivery.received_ms,
                    f"{delivery.lane}:{state}",
                )
            )
        await self._store.run(batch)

    async def hold(self, deliveries: Sequence[Delivery], at_ms: int) -> None:
        """Record since when deliveries are held for an operator; `RedisOpenAges` removes them once they are decided."""
        keys = self._store.keys
        await self._store.pipeline(
            [("ZADD", keys.held(d.lane), at_ms, f"{d.event}:{d.id}") for d in deliveries]
        )

    async def take(self, now_ms: int, limit: int, lease_ms: int = 30_000) -> Sequence[Due]:
        """Lease the deliveries that are due, at most `limit`; one is leased again after the lease unless settled.

        Large ones are fewer: each holds the data of its event.
        """
        # another shard first each time: none is always short of the limit
        start = next(self._turns) % DUE_SHARDS
        waiting = self._shards[start:] + self._shards[:start]
        token = token_hex(8)
        taken: list[Due] = []
        turns, taken_bytes = Turns(), 0
        while waiting and len(taken) < limit and taken_bytes < _MOST_BYTES:
            per_shard = max(1, (limit - len(taken)) // len(waiting))
            leased = waiting[: (limit - len(taken)) // per_shard]
            batch = ScriptBatch(_LEASE, self._store.cluster)
            args = (now_ms, now_ms + lease_ms, per_shard, token)
            commands = [_LEASE.command([key], args, cluster=self._store.cluster) for key in leased]
            replies = await self._store.pipeline(commands, batch)
            full: list[str] = []
            for key, reply in zip(leased, replies, strict=True):
                rows = reply[1::2]
                size = sum(map(len, rows))
                taken_bytes += size
                if len(rows) == per_shard or size >= _SHARE_BYTES:  # it may have more
                    full.append(key)
                for row in rows:
                    if (delivery := readable("due", Delivery.from_bytes, row)) is not None:
                        taken.append(Due(delivery, token))
                    await turns.worked(len(row))
            waiting = waiting[len(leased) :] + full
        return taken

    async def remove_dispatched(self, due: Sequence[Due]) -> None:
        """Remove dispatched deliveries; one that was stored again since, or leased to another worker, stays."""
        batch = ScriptBatch(_SETTLE, self._store.cluster)
        for i, args in batch.grouped(self._shard_of(one.delivery.id) for one in due):
            args.extend((due[i].delivery.id, due[i].token))
        await self._store.run(batch)

    async def oldest_ms(self) -> int | None:
        """Return the earliest time at which a delivery is due or a lease ends (ms); None when nothing waits."""
        firsts = await self._store.pipeline(
            [("ZRANGEBYSCORE", key, "-inf", "+inf", "LIMIT", 0, 1) for key in self._shards]
        )
        ids = [(key, first[0]) for key, first in zip(self._shards, firsts, strict=True) if first]
        scores = await self._store.pipeline([("ZSCORE", key, member) for key, member in ids])
        return min((int(score) for score in scores if score is not None), default=None)

    async def count_between(self, bounds_ms: Sequence[int]) -> Sequence[int]:
        """Return how many are due from each time (ms) until before the next one: one number less than times."""
        spans = list(pairwise(bounds_ms))
        counts = await self._store.pipeline(
            [("ZCOUNT", key, start, f"({end}") for start, end in spans for key in self._shards]
        )
        return [sum(counts[n : n + DUE_SHARDS]) for n in range(0, len(counts), DUE_SHARDS)]

    async def standing(self) -> Mapping[tuple[Lane, State], int]:
        """Return how many wait in each lane and state, without those that have none."""
        groups = [(lane, state) for lane in Lane for state in sorted(WAITING)]
        counts = await self._store.pipeline(
            [("ZCARD", f"{key}:{lane}:{state}") for lane, state in groups for key in self._shards]
        )
        sums = (sum(counts[n : n + DUE_SHARDS]) for n in range(0, len(counts), DUE_SHARDS))
        return {group: count for group, count in zip(groups, sums, strict=True) if count}

    async def times(self, deliveries: Sequence[str]) -> Sequence[int | None]:
        """Return for each delivery id when it is due, or its lease ends (ms); None for one that does not wait."""
        keys = self._store.keys
        scores = await self._store.pipeline([("ZSCORE", keys.due_shard_of(i), i) for i in deliveries])
        return [None if score is None else int(score) for score in scores]

    async def waiting(self, deliveries: Sequence[str]) -> Sequence[Delivery | None]:
        """Return the deliveries with these ids as they are stored, leased or not; None for one that does not wait."""
        keys = self._store.keys
        rows = await self._store.pipeline(
            [("HGET", f"{keys.due_shard_of(i)}:deliveries", i) for i in deliveries]
        )
        return [None if row is None else readable("due", Delivery.from_bytes, row) for row in rows]

    async def drop(self, deliveries: Sequence[str]) -> None:
        """Remove deliveries by their ids, leased or not."""
        batch = ScriptBatch(_DROP, self._store.cluster)
        for i, args in batch.grouped(map(self._shard_of, deliveries)):
            args.append(deliveries[i])
        await self._store.run(batch)

    async def count(self) -> int:
        """Return the number of deliveries in the due set, leased ones included."""
        return sum(await self._store.pipeline([("ZCARD", key) for key in self._shards]))
