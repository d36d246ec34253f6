"""The whole API over ports in memory, for unit tests, or over a real Valkey."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import httpx
import jwt
from argon2 import PasswordHasher
from pydantic import SecretStr

from service.adapters.brand_file import load_brands
from service.adapters.catalogue_file import load_catalogue
from service.adapters.redis.client import Store
from service.adapters.redis.delivery.due import RedisDueSet
from service.adapters.redis.delivery.worker_reports import RedisWorkerReports
from service.adapters.redis.http.ended_sessions import RedisEndedSessions
from service.adapters.redis.http.idempotency import RedisIdempotency
from service.adapters.redis.http.rate_limits import RedisRateLimits
from service.adapters.redis.http.stream_tickets import RedisStreamTickets
from service.adapters.redis.inbox.changes import RedisInboxChanges
from service.adapters.redis.inbox.inbox import RedisInbox
from service.adapters.redis.inbox.pages import RedisInboxReads
from service.adapters.redis.ledger.ledger import RedisLedger
from service.adapters.redis.tables.contacts import RedisContacts
from service.adapters.redis.tables.credentials import RedisAccounts, RedisApiKeys
from service.adapters.redis.tables.directory import RedisRecipientDirectory
from service.adapters.redis.tables.row_locks import RedisRowLocks
from service.adapters.redis.tables.tables import RedisTables
from service.adapters.redis.tables.writes import RedisTableWrites
from service.api.app import create_app
from service.api.deps import ApiDeps
from service.console.routes import routers
from service.console.state import add_console, make_console
from service.model.access import Account
from service.model.topics import TopicNames
from service.pipeline.operate.problems import Observer
from service.pipeline.tables.writer import TableStores, TableWriter
from service.ports import Clock, InboxItem, Publisher, Tables, TableWrites
from service.settings import (
    DEV_SECRET,
    AuthSettings,
    LimitSettings,
    RedisSettings,
    Settings,
    templates_directory,
)
from tests.fakes.clock import FakeClock
from tests.fakes.credentials import FakeAccounts, FakeApiKeys
from tests.fakes.due import FakeDueSet
from tests.fakes.http import FakeEndedSessions, FakeIdempotency, FakeRateLimits, FakeStreamTickets
from tests.fakes.inbox import FakeInbox
from tests.fakes.ledger import FakeLedger
from tests.fakes.publisher import FakePublisher
from tests.fakes.row_locks import FakeRowLocks
from tests.fakes.tables import FakeRecipientDirectory, FakeTables
from tests.fakes.worker_reports import FakeWorkerReports
from tests.support.completeness import mark_complete
from tests.support.operator_services import fake_operator_services

CATALOGUE = load_catalogue(templates_directory())
ACCOUNT, PASSWORD = "acme", "acme-dev-only"
_HASH = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash(PASSWORD)
HIGH_LIMITS = LimitSettings(
    inbox="100000/minute", tables="100000/minute", account="100000/minute", passwords="100000/minute"
)


@dataclass(frozen=True)
class ApiFixture:
    """An API, an HTTP client of it, and the ports behind it."""

    deps: ApiDeps
    app: Any
    client: httpx.AsyncClient
    tables: Tables
    writes: TableWrites
    publisher: Any
    clock: Any

    def bearer(self, sub: str = "alice", *scopes: str) -> dict[str, str]:
        """Return the header of a token with these scopes; `inbox` by default."""
        return {"Authorization": f"Bearer {token(sub, *scopes)}"}

    async def add(self, *items: InboxItem) -> None:
        """Put items into inboxes."""
        assert all(await self.deps.inbox.add(items))


def basic(account: str = ACCOUNT, password: str = PASSWORD) -> tuple[str, str]:
    """Return an account's name and password, for httpx's `auth`."""
    return account, password


def token(sub: str, *scopes: str, secret: str = DEV_SECRET, **claims: Any) -> str:
    """Return a JWT that is signed with `secret`, and valid for 5 minutes."""
    fields = {"sub": sub, "aud": "tocsin", "exp": time.time() + 300, "scope": " ".join(scopes or ("inbox",))}
    return jwt.encode({**fields, **claims}, secret, "HS256")


def inbox_item(
    name: str, recipient: str = "alice", id: str = "", at_ms: int = 1_554_733_057_000, **meta: Any
) -> InboxItem:
    """Return an inbox item of a type; its default time is that of the inbox document."""
    number = CATALOGUE[name].number or 0
    return InboxItem(id or f"{name}-{recipient}", recipient, name, number, at_ms, meta, f"About {name}")


def settings_for(url: str = "", **fields: Any) -> Settings:
    """Return settings of dev mode, on the Redis at `url` if there is one."""
    fields.setdefault("limits", HIGH_LIMITS)
    redis = RedisSettings(url=SecretStr(url)) if url else RedisSettings()
    return Settings(mode="dev", auth=AuthSettings(secret=SecretStr(DEV_SECRET)), redis=redis, **fields)


@asynccontextmanager
async def _serve(deps: ApiDeps, tables: Tables, writes: TableWrites) -> AsyncIterator[ApiFixture]:
    app = create_app(deps, *(routers() if deps.settings.has_console else ()))
    if deps.settings.has_console:
        add_console(app, make_console(deps))
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://tocsin.test") as client:
        yield ApiFixture(deps, app, client, tables, writes, deps.publisher, deps.clock)
    await app.state.hub.close()


@asynccontextmanager
async def fake_api(**fields: Any) -> AsyncIterator[ApiFixture]:
    """Yield the API over ports in memory."""
    clock, tables, accounts, keys = FakeClock(), FakeTables(), FakeAccounts(), FakeApiKeys()
    publisher, inbox, ledger = FakePublisher(clock), FakeInbox(clock), FakeLedger()
    accounts.rows[ACCOUNT] = Account(id=ACCOUNT, credential=_HASH, version=1)
    stores = TableStores(tables, tables, accounts, keys, tables)
    settings = settings_for(**fields)
    writer = TableWriter(stores, publisher, FakeRowLocks(), TopicNames(), clock)
    deps = ApiDeps(
        settings=settings,
        catalogue=CATALOGUE,
        brands=load_brands(settings.mail, settings.brand),
        clock=clock,
        writer=writer,
        contacts=tables,
        directory=FakeRecipientDirectory(tables),
        inbox=inbox,
        inbox_reads=inbox,
        inbox_changes=inbox,
        ledger=ledger,
        publisher=publisher,
        accounts=accounts,
        api_keys=keys,
        rate_limits=FakeRateLimits(),
        idempotency=FakeIdempotency(),
        stream_tickets=FakeStreamTickets(),
        ended_sessions=FakeEndedSessions(),
        operate=fake_operator_services(
            clock, tables, writer, publisher, ledger=ledger, inbox=inbox, keys=keys
        ),
        observer=Observer(FakeWorkerReports(), tables, FakeDueSet(), clock),
    )
    async with _serve(deps, tables, tables) as api:
        yield api


class _WallClock:
    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def boot_s(self) -> float:
        return time.monotonic()


@asynccontextmanager
async def real_api(
    url: str, publisher: Publisher | None = None, events_topic: str = "events", **fields: Any
) -> AsyncIterator[ApiFixture]:
    """Yield the API over a real Valkey; what it publishes goes to `publisher`, by default one in memory."""
    settings = settings_for(url, **fields)
    store, clock = Store(settings.redis), _WallClock()
    deps = real_deps(settings, store, clock, publisher or FakePublisher())
    tables = RedisTables(store)
    await mark_complete(store)
    await deps.accounts.put(Account(id=ACCOUNT, credential=_HASH, version=1))
    try:
        async with _serve(replace(deps, events_topic=events_topic), tables, RedisTableWrites(store)) as api:
            yield api
    finally:
        await store.close()


def real_deps(settings: Settings, store: Store, clock: Clock, publisher: Publisher) -> ApiDeps:
    """Return the API's ports, every one on Redis."""
    accounts, keys = RedisAccounts(store), RedisApiKeys(store)
    stores = TableStores(RedisTables(store), RedisTableWrites(store), accounts, keys, RedisContacts(store))
    return ApiDeps(
        settings=settings,
        catalogue=CATALOGUE,
        brands=load_brands(settings.mail, settings.brand),
        clock=clock,
        writer=TableWriter(stores, publisher, RedisRowLocks(store), TopicNames(settings.kafka.prefix), clock),
        contacts=RedisContacts(store),
        directory=RedisRecipientDirectory(store),
        inbox=RedisInbox(store, clock),
        inbox_reads=RedisInboxReads(store, clock),
        inbox_changes=RedisInboxChanges(store),
        ledger=RedisLedger(store),
        publisher=publisher,
        accounts=accounts,
        api_keys=keys,
        rate_limits=RedisRateLimits(store),
        idempotency=RedisIdempotency(store),
        stream_tickets=RedisStreamTickets(store),
        observer=Observer(RedisWorkerReports(store), RedisTables(store), RedisDueSet(store), clock),
        ended_sessions=RedisEndedSessions(store),
    )
