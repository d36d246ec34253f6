"""Supersede keys with their events and withdrawals, in memory."""

from collections.abc import Sequence

from service.ports import SupersedableEvent
from tests.fakes.outage import Outage


class FakeWithdrawals:
    """Implements the Withdrawals port; nothing expires."""

    def __init__(self) -> None:
        self.outage = Outage()
        self._events: dict[str, dict[str, int]] = {}
        self._until: dict[str, int] = {}

    async def note(self, items: Sequence[SupersedableEvent]) -> Sequence[int | None]:
        self.outage.check()
        for item in items:
            self._events.setdefault(item.key, {})[item.event] = item.time_ms
        return [self._until.get(item.key) for item in items]

    async def withdraw(self, key: str, until_ms: int, keep_s: int) -> Sequence[str]:
        self.outage.check()
        if keep_s or key in self._until:
            self._until[key] = max(until_ms, self._until.get(key, until_ms))
        return [event for event, time_ms in self._events.get(key, {}).items() if time_ms <= until_ms]

    async def times(self, items: Sequence[tuple[str, str]]) -> Sequence[int | None]:
        self.outage.check()
        return [self._events.get(key, {}).get(event) for key, event in items]
