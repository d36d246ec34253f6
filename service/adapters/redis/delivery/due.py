"""The due set: deferred, ambiguous and held deliveries that wait for their time, in 16 shards.

A delivery that is held until a time is also in the index of its recipient, which a change of the recipient's row reads.
The index may have more: it is in another slot, so it is written before the due set and cleaned after it.
"""

import heapq
import time
from collections.abc import Mapping, Sequence
from itertools import count, islice, pairwise
from secrets import token_hex

from service.adapters.redis.client import Store
from service.adapters.redis.keys import DUE_SHARDS
from service.adapters.redis.script_batch import Arg, Command, Script, ScriptBatch
from service.adapters.redis.unreadable_rows import readable
from service.model.catalogue import Lane
from service.model.delivery import Delivery
from service.model.ledger import WAITING, State
from service.model.reasons import HELD_UNTIL_A_TIME, Reason
from service.ports import Due
from service.ports.turns import Turns

_ADD, _LEASE = Script("due_add", complete_only=True), Script("due_functions", "due_lease")
_SHARE_BYTES = 131_072
"""Bytes of deliveries after which a shard leases no more; due_lease.lua has the same number."""
_MOST_BYTES = 4 * 1024 * 1024
_SETTLE, _DROP = Script("due_functions", "due_remove"), Script("due_functions", "due_drop")
_HASTEN, _PAGE = Script("due_hasten", complete_only=True), Script("due_page")
_HELD_REMOVE = Script("held_remove")
_HELD_REASONS = (Reason.none, *sorted(HELD_UNTIL_A_TIME))
_KEEP_HELD_S = 30 * 86_400
"""A delivery that is held for longer is added again meanwhile."""
_IN_PROGRESS_MS = 3_600_000
"""One that is not in the due set, and was due so long ago, is not about to be added."""
_WAS_HELD = 2


def age_lists(lane: Lane, state: State) -> Sequence[str]:
    """Return the names of the sorted sets that have the deliveries of a lane and state in a shard."""
    if state is not State.held:
        return (f"{lane}:{state}",)
    return [held_list(lane, reason) for reason in _HELD_REASONS]


def held_list(lane: Lane, reason: Reason) -> str:
    """Return the name of the sorted set that has the deliveries of a lane that are held for a reason in a shard."""
    return f"{lane}:{State.held}:{reason if reason in HELD_UNTIL_A_TIME else Reason.none}"


class RedisDueSet:
    """Implements the DueSet port."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._shard_of = store.keys.due_shard_of
        self._shards = [store.keys.due_shard(shard) for shard in range(DUE_SHARDS)]
        self._turns = count()

    async def add(
        self,
        deliveries: Sequence[Delivery],
        due_ms: Sequence[int],
        states: Sequence[State] = (),
        reasons: Sequence[Reason] = (),
    ) -> None:
        """Store deliveries with the time (ms) they are due; one that is there already gets the new time.

        Each delivery id is stored once. Storing it again ends its lease, so the worker that has it settles nothing.
        """
        # The index first: a delivery that is not in it would not be released by a change of its recipient's row.
        await self._index(
            [
                (delivery, at_ms)
                for delivery, at_ms, state in zip(deliveries, due_ms, states, strict=bool(states))
                if state is State.held
            ]
        )
        batch = ScriptBatch(_ADD, self._store.cluster)
        for i, args in batch.grouped(self._shard_of(delivery.id) for delivery in deliveries):
            delivery, state = deliveries[i], states[i] if states else State.deferred
            reason = reasons[i] if reasons else Reason.none
            args.extend((delivery.id, due_ms[i], delivery.to_bytes(), delivery.received_ms))
            args.append(
                held_list(delivery.lane, reason) if state is State.held else f"{delivery.lane}:{state}"
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
                rows, due_ms = reply[::2], reply[1::2]
                size = sum(map(len, rows))
                taken_bytes += size
                if len(rows) == per_shard or size >= _SHARE_BYTES:  # it may have more
                    full.append(key)
                for row, first_ms in zip(rows, due_ms, strict=True):
                    if (delivery := readable("due", Delivery.from_bytes, row)) is not None:
                        first = first_ms.decode()
                        taken.append(Due(delivery, f"{token} {first}", int(first)))
                    await turns.worked(len(row))
            waiting = waiting[len(leased) :] + full
        return taken

    async def remove_dispatched(self, due: Sequence[Due]) -> None:
        """Remove dispatched deliveries; one that was stored again since, or leased to another worker, stays."""
        batch = ScriptBatch(_SETTLE, self._store.cluster)
        for i, args in batch.grouped(self._shard_of(one.delivery.id) for one in due):
            args.extend((due[i].delivery.id, due[i].token))
        (removed,) = await self._store.run(batch)
        await self._unindex(
            [(o.delivery, o.due_ms) for o, was in zip(due, removed, strict=True) if was == _WAS_HELD]
        )

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
        counts = await self._counts([age_lists(*group) for group in groups])
        return {group: count for group, count in zip(groups, counts, strict=True) if count}

    async def held_by_reason(self) -> Mapping[tuple[Lane, Reason], int]:
        """Return how many are held until a time for each lane and reason, without those that have none."""
        groups = [(lane, reason) for lane in Lane for reason in _HELD_REASONS]
        counts = await self._counts([(held_list(*group),) for group in groups])
        return {group: count for group, count in zip(groups, counts, strict=True) if count}

    async def page(
        self, after: tuple[int, str] = (0, ""), limit: int = 100
    ) -> Sequence[tuple[int, Delivery]]:
        """Return deliveries with the times (ms) at which they are due, or their lease ends, in the order of (time, id).

        Where one is removed meanwhile there are fewer, but none only at the end.
        """
        while True:
            batch = ScriptBatch(_PAGE, self._store.cluster)
            command = [
                _PAGE.command([key], (*after, limit), cluster=self._store.cluster) for key in self._shards
            ]
            shards = [
                [(int(at_ms), id_.decode()) for id_, at_ms in zip(reply[::2], reply[1::2], strict=True)]
                for reply in await self._store.pipeline(command, batch)
            ]
            places = [*islice(heapq.merge(*shards), limit)]
            deliveries = await self.waiting([id_ for _, id_ in places])
            page = [
                (at_ms, one) for (at_ms, _), one in zip(places, deliveries, strict=True) if one is not None
            ]
            if page or not places:
                return page
            after = places[-1]

    async def held_of(self, recipient: str) -> Sequence[str]:
        """Return the ids of the deliveries of a recipient that are held until a time; clean the recipient's index."""
        key = self._store.keys.held_of(recipient)
        (rows,) = await self._store.pipeline([("ZRANGE", key, 0, -1, "WITHSCORES")])
        ids = [member.hex() for member, _ in rows]
        lists = await self._store.pipeline([("HGET", f"{self._shard_of(i)}:standing", i) for i in ids])
        long_ago_ms = time.time() * 1000 - _IN_PROGRESS_MS
        batch = ScriptBatch(_HELD_REMOVE, self._store.cluster)
        gone = [
            (member, int(at_ms))
            for (member, at_ms), name in zip(rows, lists, strict=True)
            if not name and at_ms < long_ago_ms
        ]
        for i, args in batch.grouped([key] * len(gone)):
            args.extend(gone[i])
        await self._store.run(batch)
        return [i for i, name in zip(ids, lists, strict=True) if name and b":held" in name]

    async def with_held(self, recipients: Sequence[str]) -> Sequence[bool]:
        """Return for each recipient whether any delivery may be held until a time."""
        keys = self._store.keys
        exist = await self._store.pipeline([("EXISTS", keys.held_of(recipient)) for recipient in recipients])
        return [*map(bool, exist)]

    async def hasten(self, delivery_ids: Sequence[str], at_ms: int) -> int:
        """Make deliveries that wait due at a time (ms) at the latest; return of how many the time has changed."""
        batch = ScriptBatch(_HASTEN, self._store.cluster, (at_ms,))
        for i, args in batch.grouped(map(self._shard_of, delivery_ids)):
            args.append(delivery_ids[i])
        return sum((await self._store.run(batch))[0])

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
        held = list[tuple[Delivery, int]]()
        for row in (await self._store.run(batch))[0]:
            due_ms, _, value = row.partition(b" ")
            if value and (delivery := readable("due", Delivery.from_bytes, value)) is not None:
                held.append((delivery, int(due_ms)))
        await self._unindex(held)

    async def count(self) -> int:
        """Return the number of deliveries in the due set, leased ones included."""
        return sum(await self._store.pipeline([("ZCARD", key) for key in self._shards]))

    async def _counts(self, groups: Sequence[Sequence[str]]) -> Sequence[int]:
        """Return how many are in the sorted sets of each group, in all shards."""
        counts = iter(
            await self._store.pipeline(
                [("ZCARD", f"{key}:{name}") for group in groups for name in group for key in self._shards]
            )
        )
        return [sum(islice(counts, len(group) * DUE_SHARDS)) for group in groups]

    async def _index(self, held: Sequence[tuple[Delivery, int]]) -> None:
        """Write deliveries and until when they are held (ms) into the indexes of their recipients."""
        rows: dict[str, list[Arg]] = {}
        for delivery, at_ms in held:
            key = self._store.keys.held_of(delivery.recipient)
            rows.setdefault(key, []).extend((at_ms, bytes.fromhex(delivery.id)))
        commands = list[Command]()
        for key, args in rows.items():
            commands += (("ZADD", key, *args), ("EXPIRE", key, _KEEP_HELD_S))
        await self._store.pipeline(commands)

    async def _unindex(self, held: Sequence[tuple[Delivery, int]]) -> None:
        """Remove deliveries from the indexes of their recipients, unless they are held until another time since."""
        batch = ScriptBatch(_HELD_REMOVE, self._store.cluster)
        recipients = (delivery.recipient for delivery, _ in held)
        for i, args in batch.grouped(recipients, self._store.keys.held_of):
            args.extend((bytes.fromhex(held[i][0].id), held[i][1]))
        await self._store.run(batch)
