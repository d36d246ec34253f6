"""Operations that take longer than a request: they run in this process, and any process shows how far they are."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

import structlog

from service.model.operation import OperationPhase
from service.pipeline.operate.audit_log import AuditLog, OperationLog, RecordedOperation
from service.ports import Clock, OperationProgress, Operations, Unavailable

log = structlog.get_logger(__name__)

Progress = Callable[[Mapping[str, int]], None]
"""Takes the counts so far, after each part. Raise OperationCancelled where nothing more is to be done."""

Work = Callable[[Progress], Awaitable[Mapping[str, int]]]
"""Does all of an operation and returns its counts."""

_EVERY_S = 1.0
_LOST_MS = 30_000
"""An operation that has written no progress for so long has lost its process."""


class OperationCancelled(Exception):
    """An operator has cancelled the operation."""


class OperationState(StrEnum):
    """The state of an operation. `interrupted`: its process has ended before it."""

    running = "running"
    ended = "ended"
    cancelled = "cancelled"
    failed = "failed"
    interrupted = "interrupted"


class OperationStatus(NamedTuple):
    """An operation and how far it is. `total` is None for one that did not run in a server."""

    operation: RecordedOperation
    state: OperationState
    counts: Mapping[str, int]
    total: int | None = None
    error: str = ""


def unobserved(_: Mapping[str, int]) -> None:
    """Note no progress."""


class OperationRunner:
    """Runs operations in the background, each with its records on `dispatch.audit`.

    One that is cut off by the end of its process has no last record; what it has done stays done, and the same
    operation may be started again.
    """

    def __init__(self, operations: Operations, audit: AuditLog, clock: Clock) -> None:
        self._operations = operations
        self._audit = audit
        self._clock = clock
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, operation_log: OperationLog, total: int, work: Work) -> None:
        """Record the begin of an operation, and begin it. Raise Unavailable."""
        counts: Counter[str] = Counter()
        await self._operations.put(OperationProgress(operation_log.id, total, {}, self._clock.now_ms()))
        # Recorded before anything is done: an operation that is cut off still has its record.
        await operation_log.write(OperationPhase.begun, {"items": total})
        task = asyncio.create_task(self._run(operation_log, total, work, counts), name="operation")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def statuses(
        self,
        limit: int,
        after: str = "",
        *,
        kinds: frozenset[str] = frozenset(),
        operators: frozenset[str] = frozenset(),
    ) -> Sequence[OperationStatus]:
        """Return the operations that began last, newest first; `after`: only older ones. Raise Unavailable."""
        return await self._with_progress(
            await self._audit.operations(limit, after, kinds=kinds, operators=operators)
        )

    async def status(self, id_: str) -> OperationStatus | None:
        """Return one operation; None where there is none. Raise Unavailable."""
        operation = await self._audit.operation(id_)
        return (await self._with_progress([operation]))[0] if operation is not None else None

    async def cancel(self, id_: str) -> None:
        """Cancel an operation that runs in any process: it does no further part. Raise Unavailable."""
        await self._operations.cancel(id_)

    async def close(self) -> None:
        """Cut off what runs in this process."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _with_progress(self, operations: Sequence[RecordedOperation]) -> list[OperationStatus]:
        progress = await self._operations.progress([one.id for one in operations])
        now_ms = self._clock.now_ms()
        return [_status(one, how_far, now_ms) for one, how_far in zip(operations, progress, strict=True)]

    async def _run(self, operation_log: OperationLog, total: int, work: Work, counts: Counter[str]) -> None:
        cancelled = asyncio.Event()

        def progress(so_far: Mapping[str, int]) -> None:
            counts.clear()
            counts.update(so_far)
            if cancelled.is_set():
                raise OperationCancelled

        reporting = asyncio.create_task(self._report(operation_log.id, total, counts, cancelled))
        phase, error = OperationPhase.ended, ""
        try:
            progress(await work(progress))
        except OperationCancelled:
            phase = OperationPhase.cancelled
        except Unavailable as unavailable:
            phase, error = OperationPhase.failed, unavailable.reason
        except Exception as failure:
            log.exception("operation_failed", operation=operation_log.id, kind=operation_log.kind)
            phase, error = OperationPhase.failed, type(failure).__name__
        finally:
            reporting.cancel()
        await self._end(
            operation_log, phase, OperationProgress(operation_log.id, total, dict(counts), error=error)
        )

    async def _end(
        self, operation_log: OperationLog, phase: OperationPhase, progress: OperationProgress
    ) -> None:
        """Write the last progress and the last record; where Kafka or Redis cannot be reached, in a while."""
        while True:
            try:
                await self._operations.put(_at(progress, self._clock.now_ms()))
                await operation_log.write(phase, progress.counts)
                return
            except Unavailable as error:
                log.warning("operation_not_recorded", operation=operation_log.id, reason=error.reason)
                await asyncio.sleep(_EVERY_S)

    async def _report(self, id_: str, total: int, counts: Counter[str], cancelled: asyncio.Event) -> None:
        """Write the progress every second, and learn whether an operator has cancelled the operation."""
        while True:
            try:
                if await self._operations.put(
                    OperationProgress(id_, total, dict(counts), self._clock.now_ms())
                ):
                    cancelled.set()
            except Unavailable as error:
                log.warning("operation_not_reported", operation=id_, reason=error.reason)
            await asyncio.sleep(_EVERY_S)


def _at(progress: OperationProgress, at_ms: int) -> OperationProgress:
    return OperationProgress(progress.id, progress.total, progress.counts, at_ms, progress.error)


_ENDS = {
    OperationPhase.ended: OperationState.ended,
    OperationPhase.cancelled: OperationState.cancelled,
    OperationPhase.failed: OperationState.failed,
}


def _status(operation: RecordedOperation, progress: OperationProgress | None, now_ms: int) -> OperationStatus:
    state = _ENDS.get(operation.phase)
    if state is None:
        newest_ms = max(operation.at_ms, progress.at_ms if progress else 0)
        state = OperationState.running if now_ms - newest_ms < _LOST_MS else OperationState.interrupted
    if progress is None:
        return OperationStatus(operation, state, operation.counts)
    counts = operation.counts if operation.phase in _ENDS else progress.counts
    return OperationStatus(operation, state, counts, progress.total, progress.error)
