"""The newest event of each supersede key, in memory."""

from collections.abc import Sequence

from tests.fakes.outage import Outage


class FakeSupersedeIndex:
    """Implements the SupersedeIndex port."""

    def __init__(self) -> None:
        self.outage = Outage()
        self._newest: dict[str, tuple[int, str]] = {}

    async def supersede(self, items: Sequence[tuple[str, str, int]]) -> Sequence[str]:
        self.outage.check()
        for key, event, time_ms in items:
            self._newest[key] = max(self._newest.get(key, (time_ms, event)), (time_ms, event))
        return [self._newest[key][1] for key, _, _ in items]

    async def newest(self, keys: Sequence[str]) -> Sequence[str | None]:
        self.outage.check()
        return [self._newest[key][1] if key in self._newest else None for key in keys]
