"""The counts of mails by recipient, for the limits of an hour and a day."""

from collections.abc import Sequence

from service.adapters.redis.client import Store
from service.adapters.redis.script_batch import Script, ScriptBatch
from service.model.catalogue import Lane
from service.ports import LimitedMail

_TAKE = Script("mail_limits_take", complete_only=True)
_GIVE_BACK = Script("mail_limits_give_back", complete_only=True)
_RESTORE = Script("mail_limits_restore", complete_only=True)
_ORDER = {lane: n for n, lane in enumerate(Lane)}


class RedisMailLimits:
    """Implements the MailLimits port.

    A mail's room ends an hour and a day after its newest take, by the latest clock that has taken for its recipient.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    async def take(self, mails: Sequence[LimitedMail], now_ms: int) -> Sequence[int]:
        """Count mails that may be sent now and return 0 for each; of any other, return when there will be room (ms)."""
        return await self._run(mails, now_ms, counts=True)

    async def room(self, mails: Sequence[LimitedMail], now_ms: int) -> Sequence[int]:
        """Return what `take` would, and count nothing."""
        return await self._run(mails, now_ms, counts=False)

    async def _run(self, mails: Sequence[LimitedMail], now_ms: int, *, counts: bool) -> Sequence[int]:
        times = [0] * len(mails)
        limited = [i for i, mail in enumerate(mails) if any(mail.allowance)]
        batch = ScriptBatch(_TAKE, self._store.cluster, (now_ms, int(counts)))
        for n, args in batch.grouped((mails[i].recipient for i in limited), self._store.keys.mails):
            mail = mails[limited[n]]
            args.extend((bytes.fromhex(mail.delivery), mail.type, _ORDER[mail.lane], *mail.allowance))
            args.append(int(mail.exempt))
        for i, at_ms in zip(limited, (await self._store.run(batch))[0], strict=True):
            times[i] = at_ms
        return times

    async def give_back(self, mails: Sequence[tuple[str, str]]) -> None:
        """Free the room of (recipient, delivery) pairs that are not sent, and end their waiting."""
        batch = ScriptBatch(_GIVE_BACK, self._store.cluster)
        for i, args in batch.grouped((recipient for recipient, _ in mails), self._store.keys.mails):
            args.append(bytes.fromhex(mails[i][1]))
        await self._store.run(batch)

    async def restore(self, mails: Sequence[LimitedMail], sent_ms: Sequence[int]) -> None:
        """Count mails that were sent at these times (ms), in any order, for a rebuild."""
        batch = ScriptBatch(_RESTORE, self._store.cluster)
        for i, args in batch.grouped((mail.recipient for mail in mails), self._store.keys.mails):
            mail, (hour, day, type_hour, type_day) = mails[i], mails[i].allowance
            args.extend((bytes.fromhex(mail.delivery), mail.type))
            args.extend((int(hour + day > 0), int(type_hour + type_day > 0), sent_ms[i]))
        await self._store.run(batch)
