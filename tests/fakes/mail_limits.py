"""The limits of mails in memory: what the script computes from counts, by looking at every mail."""

from collections import defaultdict
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import count

from service.model.catalogue import Lane
from service.ports import LimitedMail
from tests.fakes.outage import Outage

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
AHEAD_MS, LATE_MS, MARGIN_MS = 600_000, 3_600_000, 1000
_LANES = list(Lane)
Order = tuple[int, int]


@dataclass
class Scope:
    """All mails of a recipient, or those of one type."""

    counted: dict[str, int] = field(default_factory=dict)
    waiting: dict[str, Order] = field(default_factory=dict)
    times: dict[str, int] = field(default_factory=dict)

    def forget(self, delivery: str) -> None:
        for members in (self.counted, self.waiting, self.times):
            members.pop(delivery, None)

    def clean(self, now_ms: int) -> None:
        for delivery in [d for d, at_ms in self.times.items() if at_ms <= now_ms - LATE_MS]:
            del self.times[delivery], self.waiting[delivery]

    def room_ms(self, delivery: str, order: Order, limits: Sequence[tuple[int, int]], now_ms: int) -> int:
        """Return when there is room, 0 for now: let each mail that waits before it go as soon as it can."""
        own = self.counted.get(delivery)
        needed = [
            (window, limit)
            for window, limit in limits
            if limit and not (own is not None and own > now_ms - window)
        ]
        free_from = sorted(at for d, at in self.counted.items() if d != delivery)
        at_ms = now_ms
        for _ in range(sum(other < order for d, other in self.waiting.items() if d != delivery) + 1):
            for window, limit in needed:
                if len(free_from) >= limit:
                    at_ms = max(at_ms, free_from[-limit] + window)
            free_from.append(at_ms + MARGIN_MS)
        return at_ms if at_ms > now_ms else 0


class FakeMailLimits:
    """Implements the MailLimits port."""

    def __init__(self) -> None:
        self.outage = Outage()
        self.scopes: dict[tuple[str, str], Scope] = defaultdict(Scope)
        self._arrivals = count()

    async def take(self, mails: Sequence[LimitedMail], now_ms: int) -> Sequence[int]:
        self.outage.check()
        return [self._take(mail, now_ms) for mail in mails]

    async def room(self, mails: Sequence[LimitedMail], now_ms: int) -> Sequence[int]:
        self.outage.check()
        kept = deepcopy(self.scopes)
        times = [self._take(mail, now_ms) for mail in mails]
        self.scopes = kept
        return times

    async def give_back(self, mails: Sequence[tuple[str, str]]) -> None:
        self.outage.check()
        for recipient, delivery in mails:
            for (owner, _), scope in self.scopes.items():
                if owner == recipient:
                    scope.forget(delivery)

    async def restore(self, mails: Sequence[LimitedMail], sent_ms: Sequence[int]) -> None:
        self.outage.check()
        for mail, at_ms in zip(mails, sent_ms, strict=True):
            allowance = mail.allowance
            for name, limits in (("", allowance[:2]), (mail.type, allowance[2:])):
                if any(limits):
                    counted = self.scopes[mail.recipient, name].counted
                    counted[mail.delivery] = max(at_ms, counted.get(mail.delivery, 0))

    def _take(self, mail: LimitedMail, now_ms: int) -> int:
        allowance, delivery = mail.allowance, mail.delivery
        scopes: list[tuple[Scope, Sequence[tuple[int, int]]]] = []
        for name, hour, day in (
            ("", allowance.hour, allowance.day),
            (mail.type, allowance.type_hour, allowance.type_day),
        ):
            if hour or day:
                scope = self.scopes[mail.recipient, name]
                scopes.append((scope, ((HOUR_MS, hour), (DAY_MS, day))))
        now_ms = max([now_ms, *(self._newest_ms(scope, now_ms) for scope, _ in scopes)])
        for scope, _ in scopes:
            scope.clean(now_ms)
        orders = [scope.waiting[delivery] for scope, _ in scopes if delivery in scope.waiting]
        order = orders[0] if orders else (_LANES.index(mail.lane), next(self._arrivals))
        rooms = [scope.room_ms(delivery, order, limits, now_ms) for scope, limits in scopes]
        at_ms = 0 if mail.exempt else max(rooms, default=0)
        for scope, _ in scopes:
            scope.waiting.pop(delivery, None)
            scope.times.pop(delivery, None)
            if not at_ms:
                scope.counted[delivery] = now_ms
        if at_ms:
            scope, _ = scopes[rooms.index(at_ms)]
            scope.waiting[delivery], scope.times[delivery] = order, at_ms
        return at_ms

    @staticmethod
    def _newest_ms(scope: Scope, now_ms: int) -> int:
        newest = max(scope.counted.values(), default=0)
        if newest > now_ms + AHEAD_MS:
            scope.counted = {d: min(at, now_ms) for d, at in scope.counted.items()}
            return now_ms
        return newest
