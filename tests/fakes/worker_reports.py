"""Reports of workers in memory."""

from collections.abc import Mapping, Sequence

from service.model.worker import WorkerReport


class FakeWorkerReports:
    """Implements the WorkerReports port."""

    def __init__(self) -> None:
        self.reports: dict[str, WorkerReport] = {}
        self.runs: dict[str, int] = {}

    async def put(self, report: WorkerReport) -> None:
        self.reports[report.worker] = report
        self.runs |= dict.fromkeys(report.stage_names, report.at_ms)

    async def remove(self, worker: str) -> None:
        self.reports.pop(worker, None)

    async def current(self, now_ms: int) -> Sequence[WorkerReport]:
        self.reports = {name: one for name, one in self.reports.items() if now_ms - one.at_ms <= 15_000}
        return [self.reports[name] for name in sorted(self.reports)]

    async def last_runs(self) -> Mapping[str, int]:
        return dict(self.runs)
