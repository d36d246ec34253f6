"""The recent events of each supersede key, and up to which time the key is withdrawn."""

from collections.abc import Sequence

from service.adapters.redis.client import Store
from service.adapters.redis.script_batch import Script, ScriptBatch
from service.ports import SupersedableEvent

_RECORD_EVENTS = Script("withdrawals_record_events", complete_only=True)
_WITHDRAW_KEY = Script("withdrawals_withdraw_key", complete_only=True)


class RedisWithdrawals:
    """Implements the Withdrawals port. `most`: events kept per key; older ones can be withdrawn by their id only."""

    def __init__(self, store: Store, *, most: int = 10_000) -> None:
        self._store = store
        self._most = most

    async def note(self, items: Sequence[SupersedableEvent]) -> Sequence[int | None]:
        """Record events; return for each the time (ms) up to which its key is withdrawn, None where it is not.

        One script records and reads: whichever of an event and a withdrawal comes second sees the first. In two steps
        both could miss each other, and a withdrawn event would be sent.
        """
        batch = ScriptBatch(_RECORD_EVENTS, self._store.cluster, (self._most,))
        for i, args in batch.grouped((item.key for item in items), self._store.keys.recent_events):
            args.extend((items[i].time_ms, items[i].event, items[i].keep_s))
        results = (await self._store.run(batch))[0]
        return [int(until_ms) if until_ms else None for until_ms in results]

    async def withdraw(self, key: str, until_ms: int, keep_s: int) -> Sequence[str]:
        """Withdraw a key up to a time; the latest time is kept. Return its recorded events up to this time."""
        events_key = self._store.keys.recent_events(key)
        events = await self._store.run_script(_WITHDRAW_KEY, events_key, until_ms, keep_s)
        return [event.decode() for event in events]

    async def times(self, items: Sequence[tuple[str, str]]) -> Sequence[int | None]:
        """Return for each (key, event) the time (ms) with which it was recorded; None for one that is not."""
        commands = [("ZSCORE", self._store.keys.recent_events(key), event) for key, event in items]
        scores = await self._store.pipeline(commands) if commands else []
        return [None if score is None else int(score) for score in scores]
