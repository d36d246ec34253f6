"""The one place that puts the parts together: settings in, ports out."""

import os
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from secrets import token_hex

from service.adapters.catalogue_file import load_catalogue
from service.adapters.redis.access import RedisAccounts, RedisApiKeys
from service.adapters.redis.client import Store
from service.adapters.redis.due import RedisDueSet
from service.adapters.redis.inbox import RedisInbox
from service.adapters.redis.ledger import RedisLedger
from service.adapters.redis.requests import RedisRowLocks
from service.adapters.redis.supersede import RedisSupersede
from service.adapters.redis.table_writes import RedisTableWrites
from service.adapters.redis.tables import RedisTables
from service.adapters.redis.workers import RedisWorkers
from service.adapters.smtp.relay import Relay
from service.adapters.smtp.transport import SmtpTransport
from service.adapters.templates import TemplateRenderer
from service.api_ports import Publisher
from service.model.catalogue import Catalogue
from service.model.delivery import Delivery
from service.model.record import Handler
from service.model.topics import TopicNames
from service.pipeline.deliver_email import DeliverEmail, EmailPorts
from service.pipeline.deliver_inbox import DeliverInbox
from service.pipeline.resolve import Resolve
from service.pipeline.table_writes import Stores, TableWriter
from service.settings import RelaySettings, Settings, templates_directory


class SystemClock:
    """The machine's clock."""

    def now_ms(self) -> int:
        """Milliseconds since the epoch."""
        return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class Parts:
    """Every port on the real world; what is not used connects to nothing."""

    settings: Settings
    catalogue: Catalogue
    clock: SystemClock
    topics: TopicNames
    store: Store
    tables: RedisTables
    writes: RedisTableWrites
    ledger: RedisLedger
    supersedes: RedisSupersede
    inbox: RedisInbox
    due: RedisDueSet
    workers: RedisWorkers
    renderer: TemplateRenderer
    transport: SmtpTransport
    owner: str

    def resolve(self) -> Handler:
        """Events to deliveries."""
        return Resolve(self.catalogue, self.tables, self.ledger, self.supersedes, self.topics, self.clock)

    def deliver_inbox(self) -> Handler:
        """Deliveries to inbox entries."""
        return DeliverInbox(
            self.catalogue, self.inbox, self.ledger, self.renderer, self.topics, self.clock
        )

    def deliver_email(self) -> Handler:
        """Deliveries to mail."""
        ports = EmailPorts(
            tables=self.tables,
            writes=self.writes,
            ledger=self.ledger,
            supersedes=self.supersedes,
            due=self.due,
            workers=self.workers,
            transport=self.transport,
            renderer=self.renderer,
            clock=self.clock,
        )
        return DeliverEmail(
            self.catalogue,
            ports,
            self.topics,
            owner=self.owner,
            sender=self._sender,
            headers=self._headers,
        )

    def table_writer(self, publisher: Publisher) -> TableWriter:
        """Writes to the tables, which go through their topics."""
        stores = Stores(self.tables, self.writes, RedisAccounts(self.store), RedisApiKeys(self.store))
        return TableWriter(stores, publisher, RedisRowLocks(self.store), self.topics, self.clock)

    def _sender(self, _: Delivery) -> str:
        return self.settings.mail.bounce_address or self.settings.mail.sender

    def _headers(self, _: Delivery) -> Mapping[str, str]:
        return {}


def bootstrap(settings: Settings) -> Parts:
    """Load catalogue and templates and check them against each other. Raises CatalogueError or TemplateError.

    Connects to nothing: adapters do that when they are first used.
    """
    directory = settings.templates.directory or templates_directory()
    catalogue = load_catalogue(directory, settings.mandatory, settings.templates.locale)
    store, clock = Store(settings.redis), SystemClock()
    return Parts(
        settings=settings,
        catalogue=catalogue,
        clock=clock,
        topics=TopicNames(settings.kafka.prefix),
        store=store,
        tables=RedisTables(store),
        writes=RedisTableWrites(store),
        ledger=RedisLedger(store),
        supersedes=RedisSupersede(store),
        inbox=RedisInbox(store, clock),
        due=RedisDueSet(store),
        workers=RedisWorkers(store),
        renderer=TemplateRenderer(settings.mail, settings.templates, catalogue),
        transport=SmtpTransport(relays(settings)),
        owner=f"{socket.gethostname()}-{os.getpid()}-{token_hex(4)}",
    )


def relays(settings: Settings) -> Sequence[Relay]:
    """The relays in order of preference."""
    smtp = settings.smtp
    return [
        _relay(one, f"relay{n}", smtp.local_hostname, smtp.domain_concurrency)
        for n, one in enumerate((smtp, *smtp.fallbacks), start=1)
    ]


def _relay(one: RelaySettings, default_name: str, local_hostname: str, domain_concurrency: int) -> Relay:
    return Relay(
        name=one.name or default_name,
        host=one.host,
        port=one.port,
        username=one.username,
        password=one.password.get_secret_value(),
        security=one.security,
        ca_file=one.ca_file,
        verify=one.verify,
        local_hostname=local_hostname,
        max_connections=one.max_connections,
        max_mails_per_connection=one.max_mails_per_connection,
        domain_concurrency=domain_concurrency,
        rate=one.rate,
    )
