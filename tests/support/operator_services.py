"""The services of operators over ports in memory."""

from collections.abc import AsyncIterator, Mapping, Sequence

from service.model.blocks.suppression import Suppression
from service.model.delivery import Delivery
from service.model.event import DEFAULT_BOUND
from service.model.outcome import Outcome
from service.model.topics import TopicNames
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
from service.ports import InboxItem
from tests.fakes.clock import FakeClock
from tests.fakes.credentials import FakeApiKeys
from tests.fakes.digest_windows import FakeDigestWindows
from tests.fakes.due import FakeDueSet
from tests.fakes.inbox import FakeInbox
from tests.fakes.ledger import FakeLedger
from tests.fakes.mail_limits import FakeMailLimits
from tests.fakes.operations import FakeOperations
from tests.fakes.publisher import FakePublisher
from tests.fakes.record_log import FakeRecordLog
from tests.fakes.soft_bounces import FakeSoftBounceScores
from tests.fakes.tables import FakeTables
from tests.support.catalogues import small_catalogue

TOPICS = TopicNames("")


class _NoAcceptances:
    async def acceptances(self, sent: Sequence[tuple[str, int]]) -> Mapping[tuple[str, int], Outcome]:
        return {}


class _NoPersonalData:
    async def deliveries(self, recipient: str) -> Sequence[tuple[str, str]]:
        return []

    async def entries(self, recipient: str) -> Sequence[InboxItem]:
        return []

    async def digests(self, recipient: str) -> Mapping[str, Sequence[Delivery]]:
        return {}

    async def mails(self, recipient: str) -> Mapping[str, int]:
        return {}

    async def anonymise(self, deliveries: Sequence[tuple[str, str]], stand_in: str) -> int:
        return 0

    async def forget(self, recipient: str) -> None:
        return None


def fake_operator_services(
    clock: FakeClock,
    tables: FakeTables,
    writer: TableWriter,
    publisher: FakePublisher,
    *,
    ledger: FakeLedger,
    inbox: FakeInbox,
    keys: FakeApiKeys,
) -> OperatorServices:
    """Return the services over these ports; Kafka holds what was published to `publisher`."""
    log, due, catalogue = FakeRecordLog(publisher.records), FakeDueSet(), small_catalogue()
    audit = AuditLog(log, TOPICS.audit)
    replayer = Replayer(catalogue, ledger, due, publisher, topics=TOPICS, clock=clock)
    privacy = PrivacyPorts(
        tables=tables,
        ledger=ledger,
        inbox=inbox,
        due=due,
        personal=_NoPersonalData(),
        writer=writer,
        publisher=publisher,
        topics=TOPICS,
        clock=clock,
    )

    async def scan() -> AsyncIterator[tuple[str, Suppression]]:
        for pair in tables.suppressions.items():
            yield pair

    windows = FakeDigestWindows()
    due_list = DueList(due, windows, ledger, ledger)
    due_changes = DueChanges(
        due_list,
        due,
        windows,
        FakeMailLimits(),
        ledger=ledger,
        publisher=publisher,
        topics=TOPICS,
        clock=clock,
    )
    return OperatorServices(
        log=log,
        audit=audit,
        operations=OperationRunner(FakeOperations(), audit, clock),
        deliveries=DeliverySearch(log, ledger, ledger, _NoAcceptances(), TOPICS),
        events=EventSearch(log, catalogue, ["events"], "", DEFAULT_BOUND),
        due=due,
        due_list=due_list,
        due_changes=due_changes,
        dead_letters=DeadLetters(log, audit, TOPICS),
        redriver=Redriver(ledger, publisher, log, TOPICS, clock),
        replays=Replays(log, replayer, TOPICS),
        suppressions=Suppressions(
            tables, writer, FakeSoftBounceScores(), publisher, scan=scan, topics=TOPICS, clock=clock
        ),
        keys=keys,
        data_requests=DataRequests(privacy, log),
        writer=writer,
        publisher=publisher,
        topics=TOPICS,
        clock=clock,
    )
