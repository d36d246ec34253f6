"""The due set: deferred and held deliveries in 16 parts, each with its times and its deliveries."""

from collections.abc import Sequence
from itertools import count
from secrets import token_hex

from service.adapters.redis.client import Plan, Script, Store, chunks
from service.adapters.redis.keys import DUE_SHARDS
from service.model.delivery import Delivery
from service.model.ledger import State
from service.ports import Due

_ADD, _TAKE = Script("due_add", complete_only=True), Script("due_lib", "due_take")
_SETTLE, _DROP = Script("due_lib", "due_settle"), Script("due_lib", "due_drop")


class RedisDueSet:
    """The DueSet port."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._parts = [store.keys.due(shard) for shard in range(DUE_SHARDS)]
        self._turns = count()

    async def add(
        self, deliveries: Sequence[Delivery], due_ms: Sequence[int], states: Sequence[State] = ()
    ) -> None:
        """Store or move; one place a delivery id. A move ends the lease of whoever has taken it."""
        plan = Plan(_ADD, self._store.cluster)
        for key, items in self._by_part([delivery.id for delivery in deliveries]).items():
            for part in chunks(items):
                args = plan.place(key, part).args
                args.append(len(part))
                for i in part:
                    one, state = deliveries[i], states[i] if states else State.deferred
                    args += (one.id, due_ms[i], one.to_bytes(), one.received_ms, f"{one.lane}:{state}")
        await self._store.run(plan)

    async def hold(self, deliveries: Sequence[Delivery], at_ms: int) -> None:
        """Remember since when these wait for an operator; `RedisOpenAges` forgets it when the ledger says otherwise."""
        keys = self._store.keys
        await self._store.pipeline(
            [("ZADD", keys.held(d.lane), at_ms, f"{d.event}:{d.id}") for d in deliveries]
        )

    async def take(self, now_ms: int, limit: int, lease_ms: int = 30_000) -> Sequence[Due]:
        """Lease what is due, at most `limit`; it comes again after the lease unless settled."""
        start = next(self._turns) % DUE_SHARDS  # no part is always last
        waiting = self._parts[start:] + self._parts[:start]
        token = token_hex(8)
        taken: list[Due] = []
        while waiting and len(taken) < limit:
            share = max(1, (limit - len(taken)) // len(waiting))
            asked = waiting[: (limit - len(taken)) // share]
            plan = Plan(_TAKE, self._store.cluster)
            commands = [
                ("EVALSHA", _TAKE.sha, 1, key, now_ms, now_ms + lease_ms, share, token) for key in asked
            ]
            replies = await self._store.pipeline(commands, plan)
            for reply in replies:
                taken += (Due(Delivery.from_bytes(row), token) for row in reply[1::2])
            full = [key for key, reply in zip(asked, replies, strict=True) if len(reply) == 2 * share]
            waiting = waiting[len(asked) :] + full
        return taken

    async def settle(self, due: Sequence[Due]) -> None:
        """Remove what has been handed on; what was moved since, or leased to another, stays."""
        plan = Plan(_SETTLE, self._store.cluster)
        for key, items in self._by_part([one.delivery.id for one in due]).items():
            for part in chunks(items):
                args = plan.place(key, part).args
                args.append(len(part))
                for i in part:
                    args += (due[i].delivery.id, due[i].token)
        await self._store.run(plan)

    async def oldest_ms(self) -> int | None:
        """The earliest due time, for what is leased the end of its lease; None when nothing waits."""
        firsts = await self._store.pipeline(
            [("ZRANGEBYSCORE", key, "-inf", "+inf", "LIMIT", 0, 1) for key in self._parts]
        )
        ids = [(key, first[0]) for key, first in zip(self._parts, firsts, strict=True) if first]
        scores = await self._store.pipeline([("ZSCORE", key, member) for key, member in ids])
        return min((int(score) for score in scores if score is not None), default=None)

    async def times(self, deliveries: Sequence[str]) -> Sequence[int | None]:
        """For each delivery id when it is due, or its lease ends (ms); None where it does not wait."""
        keys = self._store.keys
        scores = await self._store.pipeline([("ZSCORE", keys.due_of(i), i) for i in deliveries])
        return [None if score is None else int(score) for score in scores]

    async def waiting(self, deliveries: Sequence[str]) -> Sequence[Delivery | None]:
        """The deliveries of these ids as they wait, leased or not; None for one that does not."""
        keys = self._store.keys
        rows = await self._store.pipeline([("HGET", f"{keys.due_of(i)}:deliveries", i) for i in deliveries])
        return [None if row is None else Delivery.from_bytes(row) for row in rows]

    async def drop(self, deliveries: Sequence[str]) -> None:
        """Forget deliveries by their ids, leased or not."""
        plan = Plan(_DROP, self._store.cluster)
        for key, items in self._by_part(deliveries).items():
            for part in chunks(items):
                args = plan.place(key, part).args
                args.append(len(part))
                args += (deliveries[i] for i in part)
        await self._store.run(plan)

    async def count(self) -> int:
        """How many deliveries wait, leased ones too."""
        return sum(await self._store.pipeline([("ZCARD", key) for key in self._parts]))

    def _by_part(self, ids: Sequence[str]) -> dict[str, list[int]]:
        parts: dict[str, list[int]] = {}
        for i, delivery in enumerate(ids):
            parts.setdefault(self._store.keys.due_of(delivery), []).append(i)
        return parts
