"""What operators see and do, in one place: the API, the console and the command line use the same."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from service.model.access import ApiKey
from service.model.address import check_address
from service.model.operation import OperationKind, OperationPhase
from service.model.topics import TopicNames
from service.pipeline.operate.audit_log import AuditLog, OperationLog
from service.pipeline.operate.data_requests import DataRequests
from service.pipeline.operate.dead_letters import DeadLetterFilter, DeadLetters
from service.pipeline.operate.deliveries import DeliverySearch
from service.pipeline.operate.due_changes import DueChanges
from service.pipeline.operate.due_list import DueFilter, DueList
from service.pipeline.operate.event_search import EventSearch
from service.pipeline.operate.operations import OperationRunner, Progress, unobserved
from service.pipeline.operate.redrive import Redriver
from service.pipeline.operate.replay import ReplayFilter
from service.pipeline.operate.replays import Replays, logged_filter
from service.pipeline.operate.suppressions import Suppressions, logged_change
from service.pipeline.tables.credentials import check_scopes, create_key, revoke_key
from service.pipeline.tables.writer import TableWriter
from service.ports import ApiKeys, Clock, DueSet, Publisher, RecordLog


@dataclass(frozen=True, slots=True)
class OperatorServices:
    """The services of operators, on one set of ports."""

    log: RecordLog
    audit: AuditLog
    operations: OperationRunner
    deliveries: DeliverySearch
    events: EventSearch
    due: DueSet
    due_list: DueList
    due_changes: DueChanges
    dead_letters: DeadLetters
    redriver: Redriver
    replays: Replays
    suppressions: Suppressions
    keys: ApiKeys
    data_requests: DataRequests
    writer: TableWriter
    publisher: Publisher
    topics: TopicNames
    clock: Clock

    def operation_log(self, operator: str, kind: OperationKind, filters: Mapping[str, Any]) -> OperationLog:
        """Return the log of a new operation. `filters` must not name a person."""
        return OperationLog(
            self.publisher, self.topics.audit, self.clock, operator=operator, kind=kind, filters=filters
        )

    async def record(self, operator: str, kind: OperationKind, filters: Mapping[str, Any]) -> None:
        """Record an operation that is over as soon as it is recorded. Raise Unavailable."""
        await self.operation_log(operator, kind, filters).write(OperationPhase.ended, {})

    @asynccontextmanager
    async def recorded(
        self, operator: str, kind: OperationKind, filters: Mapping[str, Any]
    ) -> AsyncIterator[dict[str, int]]:
        """Record the begin of an operation and, after the block, its end with the counts that the block has put.

        An operation that is cut off still has its begin. Raise Unavailable.
        """
        log, counts = self.operation_log(operator, kind, filters), dict[str, int]()
        await log.write(OperationPhase.begun, {})
        yield counts
        await log.write(OperationPhase.ended, counts)

    async def change_dead_letters(
        self,
        operator: str,
        kind: OperationKind,
        chosen: DeadLetterFilter,
        total: int,
        progress: Progress = unobserved,
    ) -> Mapping[str, int]:
        """Redrive or discard the chosen dead letters now; return the counts. Raise Unavailable, UnknownDeadLetter."""
        log = self.operation_log(operator, kind, chosen.document())
        # Recorded before anything is done: a change that is cut off still has its record.
        await log.write(OperationPhase.begun, {"letters": total})
        done = await self._change(kind, chosen, log, progress)
        await log.write(OperationPhase.ended, done)
        return done

    async def begin_dead_letter_change(
        self, operator: str, kind: OperationKind, chosen: DeadLetterFilter, total: int
    ) -> str:
        """Begin to redrive or discard the chosen dead letters; return the id of the operation. Raise Unavailable."""
        log = self.operation_log(operator, kind, chosen.document())

        async def work(progress: Progress) -> Mapping[str, int]:
            return await self._change(kind, chosen, log, progress)

        await self.operations.start(log, total, work)
        return log.id

    async def _change(
        self, kind: OperationKind, chosen: DeadLetterFilter, log: OperationLog, progress: Progress
    ) -> Mapping[str, int]:
        if kind is OperationKind.redrive:
            return await self.dead_letters.redrive(chosen, self.redriver, log, progress)
        return await self.dead_letters.discard(chosen, log, progress)

    async def replay(
        self, operator: str, chosen: ReplayFilter, rate: float, total: int, progress: Progress = unobserved
    ) -> Mapping[str, int]:
        """Send deliveries again now; return the counts. Raise Unavailable."""
        log = self.operation_log(operator, OperationKind.replay, logged_filter(chosen, rate))
        # Recorded before anything is sent: a replay that is cut off still has its record.
        await log.write(OperationPhase.begun, {"deliveries": total})
        done = await self.replays.run(chosen, rate, log, progress)
        await log.write(OperationPhase.ended, done)
        return done

    async def begin_replay(self, operator: str, chosen: ReplayFilter, rate: float, total: int) -> str:
        """Begin to send deliveries again; return the id of the operation. Raise Unavailable."""
        log = self.operation_log(operator, OperationKind.replay, logged_filter(chosen, rate))

        async def work(progress: Progress) -> Mapping[str, int]:
            return await self.replays.run(chosen, rate, log, progress)

        await self.operations.start(log, total, work)
        return log.id

    async def change_due(
        self,
        operator: str,
        kind: OperationKind,
        chosen: DueFilter,
        at_ms: int,
        *,
        total: int,
        progress: Progress = unobserved,
    ) -> Mapping[str, int]:
        """Release, retime or cancel what waits now; return the counts. `at_ms`: the new time. Raise Unavailable."""
        log = self._due_log(operator, kind, chosen, at_ms)
        # Recorded before anything is done: a change that is cut off still has its record.
        await log.write(OperationPhase.begun, {"deliveries": total})
        done = await self._change_due(kind, chosen, at_ms, log, progress)
        await log.write(OperationPhase.ended, done)
        return done

    async def begin_due_change(
        self, operator: str, kind: OperationKind, chosen: DueFilter, at_ms: int, *, total: int
    ) -> str:
        """Begin to release, retime or cancel what waits; return the id of the operation. Raise Unavailable."""
        log = self._due_log(operator, kind, chosen, at_ms)

        async def work(progress: Progress) -> Mapping[str, int]:
            return await self._change_due(kind, chosen, at_ms, log, progress)

        await self.operations.start(log, total, work)
        return log.id

    def _due_log(self, operator: str, kind: OperationKind, chosen: DueFilter, at_ms: int) -> OperationLog:
        time = {"at_ms": at_ms} if kind is OperationKind.retime else {}
        return self.operation_log(operator, kind, chosen.document() | time)

    async def _change_due(
        self, kind: OperationKind, chosen: DueFilter, at_ms: int, log: OperationLog, progress: Progress
    ) -> Mapping[str, int]:
        if kind is OperationKind.cancel_due:
            return await self.due_changes.cancel(chosen, log, progress)
        at_ms = self.clock.now_ms() if kind is OperationKind.release else at_ms
        return await self.due_changes.retime(chosen, at_ms, log, progress)

    async def create_key(self, operator: str, name: str, scopes: Sequence[str]) -> tuple[ApiKey, str]:
        """Create an API key; return its row and its text, which is shown once and not stored.

        Raise ValueError for an unknown scope, Unavailable.
        """
        check_scopes(scopes)
        async with self.recorded(operator, OperationKind.create_key, {"name": name, "scopes": list(scopes)}):
            return await create_key(self.writer, self.clock, name, scopes)

    async def revoke_key(self, operator: str, id_: str) -> ApiKey:
        """Revoke an API key. Raise KeyError when there is none with this id, Unavailable."""
        if await self.keys.get(id_) is None:
            raise KeyError(id_)
        async with self.recorded(operator, OperationKind.revoke_key, {"key": id_}):
            return await revoke_key(self.writer, self.clock, id_)

    async def change_suppression(self, operator: str, address: str, why: str, *, suppress: bool) -> bool:
        """Add or end a suppression; return whether anything was changed.

        Raise ValueError for what is no address, Unavailable.
        """
        check_address(address)
        kind = OperationKind.suppress if suppress else OperationKind.unsuppress
        changed = True
        async with self.recorded(operator, kind, logged_change(address, why)) as counts:
            if suppress:
                await self.suppressions.add(address, why, operator)
            else:
                changed = await self.suppressions.remove(address)
            counts["changed"] = int(changed)
        return changed
