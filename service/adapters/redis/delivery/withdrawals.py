"""Which events a supersede key had lately, and up to which time they are taken back."""

from collections.abc import Sequence

from service.adapters.redis.client import Plan, Script, Store, chunks
from service.ports import SupersedableEvent

_NOTE = Script("withdrawals_note", complete_only=True)
_UNTIL = Script("withdrawals_until", complete_only=True)


class RedisWithdrawals:
    """The Withdrawals port. `most`: events remembered a key; beyond it the oldest can be withdrawn by id only."""

    def __init__(self, store: Store, *, most: int = 10_000) -> None:
        self._store = store
        self._most = most

    async def note(self, items: Sequence[SupersedableEvent]) -> Sequence[int | None]:
        """Remember events; for each the time (ms) up to which its key is withdrawn, None where it is not.

        One script that notes and looks: whichever comes first, event or withdrawal, the later one sees it.
        """
        plan = Plan(_NOTE, self._store.cluster, (self._most,))
        of_key: dict[str, list[int]] = {}
        for i, item in enumerate(items):
            of_key.setdefault(item.key, []).append(i)
        for key, places in of_key.items():
            name = self._store.keys.noted(key)
            for part in chunks(places):
                args = plan.place(name, part).args
                args.append(len(part))
                for i in part:
                    args += (items[i].time_ms, items[i].event, items[i].keep_s)
        answers = (await self._store.run(plan))[0]
        return [int(answer) if answer else None for answer in answers]

    async def withdraw(self, key: str, until_ms: int, keep_s: int) -> Sequence[str]:
        """Withdraw a key up to a time, the latest stays; the events of it that were noted up to this one."""
        events = await self._store.script(_UNTIL, self._store.keys.noted(key), until_ms, keep_s)
        return [event.decode() for event in events]
