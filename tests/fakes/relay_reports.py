"""Reports on relays in memory."""

from collections.abc import Sequence

from service.model.relay import RelayReport


class FakeRelayReports:
    """Implements the RelayReports port."""

    def __init__(self) -> None:
        self.reports: dict[str, tuple[int, list[RelayReport]]] = {}

    async def put(self, worker: str, reports: Sequence[RelayReport], at_ms: int) -> None:
        self.reports[worker] = at_ms, [one._replace(worker=worker) for one in reports]

    async def current(self, now_ms: int) -> Sequence[RelayReport]:
        self.reports = {name: row for name, row in self.reports.items() if now_ms - row[0] <= 15_000}
        return [one for _, reports in self.reports.values() for one in reports]
