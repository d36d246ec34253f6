"""Heartbeats in memory, by a clock that tests set."""

from collections.abc import Sequence

from service.ports import Clock


class FakeWorkers:
    """Implements the Workers port."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until_ms: dict[str, float] = {}

    async def heartbeat(self, owners: Sequence[str], ttl_s: float) -> Sequence[bool]:
        before = await self.have_heartbeat(owners)
        self._until_ms |= dict.fromkeys(owners, self._clock.now_ms() + ttl_s * 1000)
        return before

    async def have_heartbeat(self, owners: Sequence[str]) -> Sequence[bool]:
        return [self._until_ms.get(owner, 0) > self._clock.now_ms() for owner in owners]
