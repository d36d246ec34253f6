"""What operators see and do, in one place: the API, the console and the command line use the same."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from service.model.operation import OperationKind, OperationPhase
from service.model.topics import TopicNames
from service.pipeline.operate.audit_log import AuditLog, OperationLog
from service.pipeline.operate.data_requests import DataRequests
from service.pipeline.operate.dead_letters import DeadLetters
from service.pipeline.operate.deliveries import DeliverySearch
from service.pipeline.operate.operations import OperationRunner
from service.pipeline.operate.redrive import Redriver
from service.pipeline.operate.replays import Replays
from service.pipeline.operate.suppressions import Suppressions
from service.ports import Clock, DueSet, Publisher, RecordLog


@dataclass(frozen=True, slots=True)
class OperatorServices:
    """The services of operators, on one set of ports."""

    log: RecordLog
    audit: AuditLog
    operations: OperationRunner
    deliveries: DeliverySearch
    due: DueSet
    dead_letters: DeadLetters
    redriver: Redriver
    replays: Replays
    suppressions: Suppressions
    data_requests: DataRequests
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
