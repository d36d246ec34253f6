"""The one place that puts adapters behind ports: settings in, ports out."""

import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from importlib.metadata import version
from secrets import token_urlsafe
from typing import TYPE_CHECKING

from service.adapters.redis.client import Store
from service.adapters.redis.connect.lineage import LineageCheck
from service.adapters.redis.connect.url import describe
from service.adapters.redis.delivery.digest_windows import RedisDigestWindows
from service.adapters.redis.delivery.due import RedisDueSet
from service.adapters.redis.delivery.fan_outs import RedisFanOuts
from service.adapters.redis.delivery.mail_limits import RedisMailLimits
from service.adapters.redis.delivery.soft_bounces import RedisSoftBounceScores
from service.adapters.redis.delivery.supersede_index import RedisSupersedeIndex
from service.adapters.redis.delivery.withdrawals import RedisWithdrawals
from service.adapters.redis.delivery.worker_reports import RedisWorkerReports
from service.adapters.redis.delivery.workers import RedisWorkers
from service.adapters.redis.inbox.inbox import RedisInbox
from service.adapters.redis.ledger.ledger import RedisLedger
from service.adapters.redis.ledger.restore import RedisLedgerRestore
from service.adapters.redis.operate.inventory import inventory
from service.adapters.redis.operate.open_ages import RedisOpenAges
from service.adapters.redis.operate.pending_retries import RedisPendingRetries
from service.adapters.redis.state_history import RedisStateHistory
from service.adapters.redis.tables.contacts import RedisContacts
from service.adapters.redis.tables.credentials import RedisAccounts, RedisApiKeys
from service.adapters.redis.tables.row_locks import RedisRowLocks
from service.adapters.redis.tables.tables import RedisTables
from service.adapters.redis.tables.writes import RedisTableWrites
from service.adapters.system_clock import SystemClock
from service.adapters.tracing import tracing
from service.bootstrap.contents import Contents, load_contents
from service.bootstrap.explain_parts import explainer, index_s
from service.bootstrap.mail_links import MailLinks, preference_tokens, return_addresses, unsubscribe_tokens
from service.bootstrap.mail_ports import smtp_transport
from service.model.catalogue import Catalogue
from service.model.record import Handler
from service.model.signatures.verp import Verp
from service.model.topics import TopicNames
from service.pages.brand import Brands
from service.pipeline.email.allowances import Allowances
from service.pipeline.email.in_flight import InFlight
from service.pipeline.email.soft_bounces import SoftBounceScorer
from service.pipeline.email.stage import EmailHandler, EmailPorts
from service.pipeline.inbox.stage import InboxHandler
from service.pipeline.operate.explain import Explainer
from service.pipeline.operate.problems import Check, Observer
from service.pipeline.operate.what_if import WhatIf
from service.pipeline.resolve.stage import ResolveHandler
from service.pipeline.resolve.withdraw import WithdrawalProcessor
from service.pipeline.tables.held_mail import HeldMail
from service.pipeline.tables.preference_records import PreferenceApplier
from service.pipeline.tables.preference_tokens import PreferenceTokens
from service.pipeline.tables.stage import TablesHandler
from service.pipeline.tables.unsubscribe_tokens import UnsubscribeTokens
from service.pipeline.tables.writer import TableStores, TableWriter
from service.ports import (
    Clock,
    Completeness,
    DigestWindows,
    DueSet,
    EventLog,
    FanOuts,
    Inbox,
    LedgerIndex,
    LedgerRestore,
    MailAllowance,
    MailLimits,
    OpenAges,
    OutcomeLog,
    PendingRetries,
    Publisher,
    RelayTransport,
    Renderer,
    SoftBounceScores,
    StateHistory,
    SupersedeIndex,
    TableCount,
    Tables,
    TableWrites,
    Tracer,
    Withdrawals,
    WorkerReports,
    Workers,
)
from service.settings import Settings

if TYPE_CHECKING:
    from service.pipeline.bounces.process import BounceProcessor


@dataclass(frozen=True, slots=True)
class Parts:
    """Every port on its adapter. A port that is not used connects to nothing.

    `store` is the connection to Redis that the adapters share: for tools that make adapters of their own.
    `make_transport` returns the same one each time; what it needs is imported at the first.
    """

    settings: Settings
    contents: Contents
    catalogue: Catalogue
    brands: Brands
    clock: Clock
    topics: TopicNames
    store: Store
    completeness: Completeness
    history: StateHistory
    tables: Tables
    writes: TableWrites
    ledger: RedisLedger
    ledger_index: LedgerIndex
    restore: LedgerRestore
    supersedes: SupersedeIndex
    withdrawals: Withdrawals
    fan_outs: FanOuts
    inbox: Inbox
    due: DueSet
    open_ages: OpenAges
    mail_limits: MailLimits
    digest_windows: DigestWindows
    in_flight: InFlight
    workers: Workers
    scores: SoftBounceScores
    worker_reports: WorkerReports
    make_transport: Callable[[], RelayTransport]
    worker: str
    unsubscribe_tokens: UnsubscribeTokens | None
    preference_tokens: PreferenceTokens | None
    verp: Verp | None

    async def close(self) -> None:
        """Close the connections to Redis."""
        await self.store.close()

    @property
    def renderer(self) -> Renderer:
        """Return the renderer of mail and inbox lines. Raise TemplateFault, or ValueError for an invalid DKIM key."""
        return self.contents.make_renderer()

    @property
    def transport(self) -> RelayTransport:
        """Return the transport to the relays."""
        return self.make_transport()

    def with_contents(self, contents: Contents) -> "Parts":
        """Return the same ports with another version of catalogue, brands and templates."""
        self.ledger.keep_index(index_s(contents.catalogue))
        return replace(self, contents=contents, catalogue=contents.catalogue, brands=contents.brands)

    def resolve(self) -> Handler:
        """Return the handler of the resolve stage: events to deliveries."""
        withdraw = WithdrawalProcessor(
            self.ledger, self.inbox, self.due, self.withdrawals, topics=self.topics, clock=self.clock
        )
        return ResolveHandler(
            self.catalogue,
            self.tables,
            self.ledger,
            self.supersedes,
            withdraw,
            fan_outs=self.fan_outs,
            topics=self.topics,
            clock=self.clock,
            bound=self.settings.clock_bound,
        )

    def deliver_inbox(self) -> Handler:
        """Return the handler of the inbox stage: deliveries to inbox entries."""
        return InboxHandler(
            self.catalogue,
            self.inbox,
            self.ledger,
            self.renderer,
            due=self.due,
            topics=self.topics,
            clock=self.clock,
        )

    def deliver_email(self) -> Handler:
        """Return the handler of the email stage: deliveries to messages at a relay."""
        ports = EmailPorts(
            tables=self.tables,
            writes=self.writes,
            ledger=self.ledger,
            supersedes=self.supersedes,
            inbox=self.inbox,
            scores=self.scores,
            due=self.due,
            workers=self.workers,
            transport=self.transport,
            renderer=self.renderer,
            windows=self.digest_windows,
            clock=self.clock,
        )
        links = self.mail_links
        return EmailHandler(
            self.catalogue,
            ports,
            self.topics,
            owner=self.in_flight.owner,
            sender=links.sender,
            headers=links.headers,
            preferences_url=links.preferences_url,
            allowances=self.allowances,
            in_flight=self.in_flight,
        )

    def bounces(self, publisher: Publisher) -> "BounceProcessor | None":
        """Return the processor of bounces and complaints; None without a domain for return addresses."""
        if self.verp is None:
            return None
        from service.pipeline.bounces.process import BounceProcessor  # noqa: PLC0415 - only with a bounce domain

        soft = SoftBounceScorer(self.scores, self.tables, self.writes, self.topics, self.clock)
        return BounceProcessor(
            self.verp,
            self.ledger,
            tables=self.tables,
            writes=self.writes,
            soft=soft,
            topics=self.topics,
            clock=self.clock,
            publisher=publisher,
            tokens=self.unsubscribe_tokens,
        )

    def table_writer(self, publisher: Publisher) -> TableWriter:
        """Return the writer of the tables, which writes each row to its topic first."""
        return TableWriter(
            self._held_mail_stores(), publisher, RedisRowLocks(self.store), self.topics, self.clock
        )

    def apply_tables(self) -> Handler:
        """Return the handler of the tables stage: records of `tables.*` to rows."""
        stores, locks = self._held_mail_stores(), RedisRowLocks(self.store)
        preferences = PreferenceApplier(stores, locks, self.catalogue, self.topics, self.clock)
        return TablesHandler(stores, preferences, self.topics, self.clock)

    def explain(self, outcomes: OutcomeLog | None = None) -> Explainer:
        """Return the explainer of events and recipients. `outcomes` has what relays said to accepted messages."""
        return explainer(
            self.catalogue, self.store, self.ledger, self.observer(), clock=self.clock, outcomes=outcomes
        )

    def observer(self, kafka: Check | None = None) -> Observer:
        """Return the observer of what is wrong. `kafka` checks Kafka, where this process can."""
        return Observer(self.worker_reports, self.completeness, self.due, self.clock, kafka)

    def what_if(self, log: EventLog) -> WhatIf:
        """Return the predictor of deliveries. `log` holds the events of the last days."""
        return WhatIf(
            self.catalogue,
            self.tables,
            self.inbox,
            log,
            allowances=self.allowances,
            clock=self.clock,
        )

    def tracer(self) -> Tracer | None:
        """Return the tracer; None without an endpoint. Raise TracingUnavailable without the extra `otel`."""
        return tracing(self.settings.otel)

    def pending_retries(self) -> PendingRetries:
        """Return the notes of a rebuild on which deliveries wait for their next attempt."""
        return RedisPendingRetries(self.store)

    def unchecked_completeness(self) -> Completeness:
        """Return the completeness marks of servers that are not accepted, too: for what checks them."""
        return RedisTables(self.store.unchecked)

    async def table_counts(self) -> Sequence[TableCount]:
        """Return the rows and the checksum of every table in Redis. Raise Unavailable."""
        return await inventory(self.store)

    def table_stores(self) -> TableStores:
        """Return the ports of the tables, for rows that are not new."""
        return TableStores(
            self.tables,
            self.writes,
            RedisAccounts(self.store),
            RedisApiKeys(self.store),
            RedisContacts(self.store),
        )

    @property
    def allowances(self) -> Allowances:
        """Return what applies the limits of recipients' mail."""
        mail = self.settings.mail
        allowance = MailAllowance(mail.limit_per_hour, mail.limit_per_day)
        return Allowances(self.catalogue, self.mail_limits, allowance)

    @property
    def mail_links(self) -> MailLinks:
        """Return what makes the sender and the links of each message."""
        return MailLinks(
            self.settings.mail,
            self.catalogue,
            self.brands,
            self.unsubscribe_tokens,
            self.preference_tokens,
            self.verp,
        )

    def _held_mail_stores(self) -> TableStores:
        """Return the ports of the tables, for rows that decide until when mail is held."""
        return replace(self.table_stores(), held=HeldMail(self.due, self.tables, self.clock))


def bootstrap(settings: Settings, *, rebuilding: bool = False, contents: Contents | None = None) -> Parts:
    """Return the ports. Connect to nothing: adapters connect when first used. Without `contents`, load them.

    Only with `rebuilding` may deliveries be written to a Redis that is not complete. Raise CatalogueError, BrandError.
    """
    contents = contents or load_contents(settings)
    store, clock = Store(settings.redis, guarded=not rebuilding), SystemClock()
    history = RedisStateHistory(store)
    if not rebuilding:
        store.connection_checks.append(LineageCheck(history.lineage))
    tables, ledger = RedisTables(store), RedisLedger(store, index_s=index_s(contents.catalogue))
    # The owner of claims is short: each delivery that is claimed has it in its row, of which a field holds 64 bytes.
    owner = token_urlsafe(6)
    return Parts(
        settings=settings,
        contents=contents,
        catalogue=contents.catalogue,
        brands=contents.brands,
        clock=clock,
        topics=TopicNames(settings.kafka.prefix),
        store=store,
        completeness=tables,
        history=history,
        tables=tables,
        writes=RedisTableWrites(store),
        ledger=ledger,
        ledger_index=ledger,
        restore=RedisLedgerRestore(store, ledger),
        supersedes=RedisSupersedeIndex(store),
        withdrawals=RedisWithdrawals(store),
        fan_outs=RedisFanOuts(store),
        inbox=RedisInbox(store, clock),
        due=RedisDueSet(store),
        open_ages=RedisOpenAges(store, ledger),
        mail_limits=RedisMailLimits(store),
        digest_windows=RedisDigestWindows(store),
        in_flight=InFlight(owner, clock),
        workers=RedisWorkers(store),
        scores=RedisSoftBounceScores(store),
        worker_reports=RedisWorkerReports(store),
        make_transport=cache(partial(smtp_transport, settings, store)),
        worker=f"{socket.gethostname()}-{os.getpid()}-{owner}",
        unsubscribe_tokens=unsubscribe_tokens(settings),
        preference_tokens=preference_tokens(settings),
        verp=return_addresses(settings),
    )


def connections(settings: Settings) -> dict[str, str | list[str]]:
    """Return the version, and what a process connects to, for its first log line. No credentials."""
    kafka, relays = settings.kafka, (settings.smtp, *settings.smtp.fallbacks)
    return {
        "version": version("tocsin"),
        "brokers": kafka.bootstrap.split(","),
        "security": kafka.security,
        "redis": describe(settings.redis),
        "relays": [f"{relay.host}:{relay.port} {relay.security}" for relay in relays],
    }
