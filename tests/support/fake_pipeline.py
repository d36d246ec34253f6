"""The pipeline over fakes: stages as plain functions, records in lists."""

import json
import random
from collections.abc import Iterable, Sequence
from typing import Any

from service.model.ledger import Entry
from service.model.outcome import Outcome
from service.model.recipient import Contact, Group, Recipient
from service.model.record import Done, Handler, Message, Record
from service.model.topics import TopicNames
from service.pipeline.email.allowances import Allowances
from service.pipeline.email.schedule import Scheduler
from service.pipeline.email.stage import EmailHandler, EmailPorts
from service.pipeline.inbox.stage import InboxHandler
from service.pipeline.operate.explain import Explainer
from service.pipeline.operate.problems import Observer
from service.pipeline.resolve.stage import ResolveHandler
from service.pipeline.resolve.withdraw import WithdrawalProcessor
from service.ports import MailAllowance
from tests.fakes.address_search import FakeAddressSearch
from tests.fakes.clock import FakeClock
from tests.fakes.digest_windows import FakeDigestWindows
from tests.fakes.due import FakeDueSet
from tests.fakes.fan_outs import FakeFanOuts
from tests.fakes.inbox import FakeInbox
from tests.fakes.ledger import FakeLedger
from tests.fakes.mail_limits import FakeMailLimits
from tests.fakes.record_log import FakeRecordLog
from tests.fakes.renderer import FakeRenderer
from tests.fakes.soft_bounces import FakeSoftBounceScores
from tests.fakes.supersede_index import FakeSupersedeIndex
from tests.fakes.tables import FakeTables
from tests.fakes.transport import FakeMailTransport
from tests.fakes.withdrawals import FakeWithdrawals
from tests.fakes.worker_reports import FakeWorkerReports
from tests.fakes.workers import FakeWorkers
from tests.support.catalogues import small_catalogue
from tests.support.described import DescribedExplainer

TOPICS = TopicNames("")


class FakePipeline:
    """The stages over one set of fakes; `topics` holds the messages that were published, by topic."""

    def __init__(self, owner: str = "worker-1") -> None:
        self.catalogue = small_catalogue()
        self.clock = FakeClock()
        self.tables = FakeTables()
        self.ledger = FakeLedger()
        self.supersedes = FakeSupersedeIndex()
        self.inbox = FakeInbox(self.clock)
        self.due = FakeDueSet()
        self.windows = FakeDigestWindows()
        self.limits = FakeMailLimits()
        self.allowance = MailAllowance()
        self.scores = FakeSoftBounceScores()
        self.reports = FakeWorkerReports()
        self.workers = FakeWorkers(self.clock)
        self.transport = FakeMailTransport()
        self.renderer = FakeRenderer()
        self.topics: dict[str, list[Message]] = {}
        self.withdrawals = FakeWithdrawals()
        self.fan_outs = FakeFanOuts()
        self.build(owner)

    def build(self, owner: str) -> None:
        """Create the stages of a worker over the current ports."""
        self.withdraw = WithdrawalProcessor(
            self.ledger, self.inbox, self.due, self.withdrawals, topics=TOPICS, clock=self.clock
        )
        self.resolve = ResolveHandler(
            self.catalogue,
            self.tables,
            self.ledger,
            self.supersedes,
            self.withdraw,
            fan_outs=self.fan_outs,
            topics=TOPICS,
            clock=self.clock,
        )
        self.deliver_inbox = InboxHandler(
            self.catalogue,
            self.inbox,
            self.ledger,
            self.renderer,
            due=self.due,
            topics=TOPICS,
            clock=self.clock,
        )
        self.schedule = Scheduler(self.due, self, TOPICS, self.clock)
        self.deliver_email = self.email_worker(owner)

    @property
    def explain(self) -> Explainer:
        """Return an explainer over the same fakes."""
        search = FakeAddressSearch(self.tables)
        return DescribedExplainer(
            self.catalogue,
            self.ledger,
            self.ledger,
            self.tables,
            due=self.due,
            windows=self.windows,
            search=search,
            observer=Observer(self.reports, self.tables, self.due, self.clock),
            clock=self.clock,
        )

    def email_worker(self, owner: str) -> EmailHandler:
        """Return the email stage of a worker over the same fakes."""
        ports = EmailPorts(
            tables=self.tables,
            writes=self.tables,
            ledger=self.ledger,
            supersedes=self.supersedes,
            inbox=self.inbox,
            scores=self.scores,
            due=self.due,
            workers=self.workers,
            transport=self.transport,
            renderer=self.renderer,
            windows=self.windows,
            clock=self.clock,
        )
        return EmailHandler(
            self.catalogue,
            ports,
            TOPICS,
            owner=owner,
            sender=lambda _: "from@example.com",
            headers=lambda _: {},
            allowances=Allowances(self.catalogue, self.limits, self.allowance),
            rng=random.Random(1),
        )

    async def seed(self) -> None:
        """Write the users alice and bob, the admin carol, one group, and one account with two contacts."""
        await self.tables.put_recipients(
            [
                Recipient(id="alice", address="alice@example.com", name="Alice", roles=("user",), version=1),
                Recipient(id="bob", address="bob@example.com", name="Bob", roles=("user",), version=1),
                Recipient(id="carol", address="carol@example.com", name="Carol", roles=("admin",), version=1),
                Recipient(id="mute", address="", name="Mute", version=1),
            ]
        )
        lists = {
            "invoice_available": ("billing@example.com",),
            "mixed": ("alice@example.com", "x@example.com"),
        }
        await self.tables.put_group(Group(external_id="12345", addresses=lists, version=1))
        await self.tables.put_contacts(
            [
                Contact(uuid="c1", account="acme", email="c1@example.com", name="One", main=True, version=1),
                Contact(uuid="c2", account="acme", email="c2@example.com", name="Two", version=1),
            ]
        )

    async def ingest(self, *events: dict[str, Any] | bytes) -> list[Done]:
        """Resolve these events in one batch; an event without a source is from `/t`."""
        values = [e if isinstance(e, bytes) else json.dumps({"source": "/t"} | e).encode() for e in events]
        now = self.clock.now_ms()
        return await self.run(
            self.resolve, [Record("events", 0, n, now, None, value) for n, value in enumerate(values)]
        )

    async def run(self, handler: Handler, records: Iterable[Record]) -> list[Done]:
        """Run a batch and publish its messages; assert that every record is finished exactly once."""
        batch = list(records)
        done = [d async for d in handler(batch)]
        for d in done:
            await self.publish(d.messages)
            if d.then is not None:
                await d.then()
        finished = [r.offset for d in done for r in d.records]
        assert sorted(finished) == sorted(r.offset for r in batch)
        return done

    async def publish(self, messages: Sequence[Message]) -> None:
        """Append messages to their topics, as a producer does."""
        for message in messages:
            self.topics.setdefault(message.topic, []).append(message)

    def records(self, topic: str) -> list[Record]:
        """Return the records of a topic."""
        return [
            Record(topic, 0, n, self.clock.now_ms(), m.key, m.value, m.headers)
            for n, m in enumerate(self.topics.get(topic, []))
        ]

    @property
    def log(self) -> FakeRecordLog:
        """Return the RecordLog port on what was published."""
        return FakeRecordLog(self.records)

    def email_records(self) -> list[Record]:
        """Return the records of all lanes, with offsets as if they were of one topic."""
        records = [r for lane in ("high", "normal", "bulk") for r in self.records(f"dispatch.email.{lane}")]
        return [r._replace(offset=n) for n, r in enumerate(records)]

    async def deliver(self) -> None:
        """Run the inbox and email stages over every record so far."""
        await self.run(self.deliver_inbox, self.records("dispatch.inbox"))
        await self.run(self.deliver_email, self.email_records())

    def outcomes(self) -> list[Outcome]:
        """Return every outcome that was published."""
        return [Outcome.from_bytes(m.value or b"") for m in self.topics.get("dispatch.outcomes", [])]

    def reasons(self) -> list[str]:
        """Return the reasons of the dead letters."""
        dead_letters = self.topics.get("dispatch.dead-letter", [])
        return [dict(m.headers)["tocsin-reason"].decode() for m in dead_letters]

    async def states(self, event_id: str, source: str = "/t") -> dict[tuple[str, str], tuple[str, str]]:
        """Return (recipient, channel) → (state, reason) of an event."""
        from service.model.ids import event_key

        entries: list[Entry] = [e async for e in self.ledger.entries(event_key(source, event_id))]
        return {(e.recipient, e.channel): (e.state.value, e.newest_step.reason.value) for e in entries}
