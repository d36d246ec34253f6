"""The services of operators, on adapters."""

from functools import partial

from service.adapters.redis.operate.operations import RedisOperations
from service.adapters.redis.operate.personal_data import RedisPersonalData
from service.adapters.redis.operate.suppressions import suppressions
from service.adapters.redis.tables.credentials import RedisApiKeys
from service.bootstrap.parts import Parts
from service.pipeline.operate.audit_log import AuditLog
from service.pipeline.operate.data_requests import DataRequests
from service.pipeline.operate.dead_letters import DeadLetters
from service.pipeline.operate.deliveries import DeliverySearch
from service.pipeline.operate.due_changes import DueChanges
from service.pipeline.operate.due_list import DueList
from service.pipeline.operate.event_search import EventSearch
from service.pipeline.operate.operations import OperationRunner
from service.pipeline.operate.privacy import PrivacyPorts
from service.pipeline.operate.redrive import Redriver
from service.pipeline.operate.replay import Replayer
from service.pipeline.operate.replays import Replays
from service.pipeline.operate.services import OperatorServices
from service.pipeline.operate.suppressions import Suppressions
from service.pipeline.tables.writer import TableWriter
from service.ports import OutcomeLog, Publisher, RecordLog


def operation_runner(parts: Parts, log: RecordLog) -> OperationRunner:
    """Return what runs the operations of a process."""
    return OperationRunner(RedisOperations(parts.store), AuditLog(log, parts.topics.audit), parts.clock)


def operator_services(
    parts: Parts,
    publisher: Publisher,
    log: RecordLog,
    outcomes: OutcomeLog,
    operations: OperationRunner | None = None,
) -> OperatorServices:
    """Return what operators see and do. `publisher` takes records as large as the original of a dead letter.

    `operations`: what runs their operations, where there is one already.
    """
    topics, clock, kafka = parts.topics, parts.clock, parts.settings.kafka
    audit, writer = AuditLog(log, topics.audit), parts.table_writer(publisher)
    replayer = Replayer(parts.catalogue, parts.ledger, parts.due, publisher, topics=topics, clock=clock)
    due_list = DueList(parts.due, parts.digest_windows, parts.ledger, parts.ledger_index)
    return OperatorServices(
        log=log,
        audit=audit,
        operations=operations or operation_runner(parts, log),
        deliveries=DeliverySearch(log, parts.ledger, parts.ledger_index, outcomes, topics),
        events=EventSearch(
            log, parts.catalogue, kafka.events, kafka.events_pattern, parts.settings.clock_bound
        ),
        due=parts.due,
        due_list=due_list,
        due_changes=DueChanges(
            due_list,
            parts.due,
            parts.digest_windows,
            parts.mail_limits,
            ledger=parts.ledger,
            publisher=publisher,
            topics=topics,
            clock=clock,
        ),
        dead_letters=DeadLetters(log, audit, topics),
        redriver=Redriver(parts.ledger, publisher, log, topics, clock),
        replays=Replays(log, replayer, topics),
        suppressions=Suppressions(
            parts.tables,
            writer,
            parts.scores,
            publisher,
            scan=partial(suppressions, parts.store),
            topics=topics,
            clock=clock,
        ),
        keys=RedisApiKeys(parts.store),
        data_requests=DataRequests(_privacy_ports(parts, publisher, writer), log),
        writer=writer,
        publisher=publisher,
        topics=topics,
        clock=clock,
    )


def _privacy_ports(parts: Parts, publisher: Publisher, writer: TableWriter) -> PrivacyPorts:
    return PrivacyPorts(
        tables=parts.tables,
        ledger=parts.ledger,
        inbox=parts.inbox,
        due=parts.due,
        personal=RedisPersonalData(parts.store, parts.ledger, parts.clock),
        writer=writer,
        publisher=publisher,
        topics=parts.topics,
        clock=parts.clock,
        types=[one.name for one in parts.catalogue],
    )
