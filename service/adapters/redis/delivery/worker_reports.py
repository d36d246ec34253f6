"""Reports of the workers: a hash with a field for each worker, and one with the last run of each stage."""

from collections.abc import Mapping, Sequence

from service.adapters.redis.client import Store
from service.model.worker import WorkerReport
from service.observability.lazy_logger import LazyLogger

log = LazyLogger(__name__)

_FRESH_MS = 15_000  # a worker reports every two seconds
_KEEP_S = 3600
_KEEP_RUNS_S = 30 * 86_400


class RedisWorkerReports:
    """Implements the WorkerReports port."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._reports = store.keys.worker_reports()
        self._runs = store.keys.stage_runs()

    async def put(self, report: WorkerReport) -> None:
        """Replace the report of a worker."""
        runs = [value for name in sorted(report.stage_names) for value in (name, report.at_ms)]
        await self._store.pipeline(
            [
                ("HSET", self._reports, report.worker, report.model_dump_json()),
                ("EXPIRE", self._reports, _KEEP_S),
                *([("HSET", self._runs, *runs), ("EXPIRE", self._runs, _KEEP_RUNS_S)] if runs else []),
            ]
        )

    async def remove(self, worker: str) -> None:
        """Remove the report of a worker that stops."""
        await self._store.pipeline([("HDEL", self._reports, worker)])

    async def current(self, now_ms: int) -> Sequence[WorkerReport]:
        """Return the reports of the last seconds by worker, and forget the workers whose last one is older."""
        (rows,) = await self._store.pipeline([("HGETALL", self._reports)])
        reports: list[WorkerReport] = []
        gone: list[bytes] = []
        for worker, value in rows.items():
            try:
                report = WorkerReport.model_validate_json(value)
            except ValueError:
                # Of a later version. It expires with the hash, and its worker is known to later readers.
                log.warning("worker_report_unreadable", worker=worker.decode(errors="replace"))
                continue
            if now_ms - report.at_ms > _FRESH_MS:
                gone.append(worker)
            else:
                reports.append(report)
        if gone:
            await self._store.pipeline([("HDEL", self._reports, *gone)])
        return sorted(reports, key=lambda one: one.worker)

    async def last_runs(self) -> Mapping[str, int]:
        """Return for each stage when a worker last reported that it runs it (ms)."""
        (rows,) = await self._store.pipeline([("HGETALL", self._runs)])
        return {stage.decode(): int(at_ms) for stage, at_ms in rows.items()}
