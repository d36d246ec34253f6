"""The ports of one backend, for the specs."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Protocol

from service.adapters.redis.client import Store
from service.adapters.redis.delivery.digest_windows import RedisDigestWindows
from service.adapters.redis.delivery.due import RedisDueSet
from service.adapters.redis.delivery.fan_outs import RedisFanOuts
from service.adapters.redis.delivery.mail_limits import RedisMailLimits
from service.adapters.redis.delivery.soft_bounces import RedisSoftBounceScores
from service.adapters.redis.delivery.supersede_index import RedisSupersedeIndex
from service.adapters.redis.delivery.withdrawals import RedisWithdrawals
from service.adapters.redis.delivery.worker_reports import RedisWorkerReports
from service.adapters.redis.delivery.workers import RedisWorkers
from service.adapters.redis.inbox.changes import RedisInboxChanges
from service.adapters.redis.inbox.inbox import RedisInbox
from service.adapters.redis.inbox.pages import RedisInboxReads
from service.adapters.redis.ledger.ledger import RedisLedger
from service.adapters.redis.ledger.restore import RedisLedgerRestore
from service.adapters.redis.operate.inbox_drift import inbox_drift
from service.adapters.redis.tables.contacts import RedisContacts
from service.adapters.redis.tables.credentials import RedisAccounts
from service.adapters.redis.tables.tables import RedisTables
from service.adapters.redis.tables.writes import RedisTableWrites
from service.model.blocks.suppression import Suppression
from service.ports import (
    Accounts,
    Contacts,
    DigestWindows,
    DueSet,
    FanOuts,
    Inbox,
    InboxChanges,
    InboxReads,
    Ledger,
    LedgerIndex,
    LedgerRestore,
    MailLimits,
    SoftBounceScores,
    SupersedeIndex,
    Tables,
    TableWrites,
    Withdrawals,
    WorkerReports,
    Workers,
)
from tests.fakes.clock import FakeClock
from tests.fakes.digest_windows import FakeDigestWindows
from tests.fakes.due import FakeDueSet
from tests.fakes.fan_outs import FakeFanOuts
from tests.fakes.inbox import FakeInbox
from tests.fakes.ledger import FakeLedger
from tests.fakes.mail_limits import FakeMailLimits
from tests.fakes.soft_bounces import FakeSoftBounceScores
from tests.fakes.supersede_index import FakeSupersedeIndex
from tests.fakes.tables import FakeTables
from tests.fakes.withdrawals import FakeWithdrawals
from tests.fakes.worker_reports import FakeWorkerReports
from tests.fakes.workers import FakeWorkers

CAP = 5


class MarkedTables(Tables, Protocol):
    """Tables that can be marked as complete or incomplete."""

    async def mark_complete(self) -> None: ...
    async def mark_incomplete(self, reason: str) -> None: ...
    async def suppression(self, address: str) -> Suppression | None: ...


class IndexedLedger(Ledger, LedgerIndex, Protocol):
    """A ledger with its indexes."""


class CountedDueSet(DueSet, Protocol):
    """A due set with its size."""

    async def count(self) -> int: ...


@dataclass(frozen=True)
class Backend:
    """Every port on one backend; inboxes hold five entries. `drift` returns the inconsistencies of an inbox."""

    clock: FakeClock
    tables: MarkedTables
    writes: TableWrites
    contacts: Contacts
    accounts: Accounts
    ledger: IndexedLedger
    restore: LedgerRestore
    supersedes: SupersedeIndex
    withdrawals: Withdrawals
    fan_outs: FanOuts
    inbox: Inbox
    reads: InboxReads
    changes: InboxChanges
    due: CountedDueSet
    workers: Workers
    scores: SoftBounceScores
    reports: WorkerReports
    limits: MailLimits
    windows: DigestWindows
    drift: Callable[[str], Coroutine[Any, Any, list[str]]]


def fake_backend() -> Backend:
    """Return all ports in memory; the tables are not marked complete yet."""
    clock, tables, ledger = FakeClock(), FakeTables(complete=False), FakeLedger()
    inbox = FakeInbox(clock, cap=CAP)

    async def no_drift(_: str) -> list[str]:
        return []

    return Backend(
        clock,
        tables,
        tables,
        tables,
        tables.accounts,
        ledger,
        ledger,
        FakeSupersedeIndex(),
        FakeWithdrawals(),
        FakeFanOuts(),
        inbox,
        inbox,
        inbox,
        FakeDueSet(),
        FakeWorkers(clock),
        FakeSoftBounceScores(),
        FakeWorkerReports(),
        FakeMailLimits(),
        FakeDigestWindows(),
        no_drift,
    )


def redis_backend(store: Store, **inbox: Any) -> Backend:
    """Return all ports on one Redis or cluster."""
    clock = FakeClock()
    ledger = RedisLedger(store)
    return Backend(
        clock,
        RedisTables(store),
        RedisTableWrites(store),
        RedisContacts(store),
        RedisAccounts(store),
        ledger,
        RedisLedgerRestore(store, ledger),
        RedisSupersedeIndex(store),
        RedisWithdrawals(store),
        RedisFanOuts(store),
        RedisInbox(store, clock, **{"cap": CAP} | inbox),
        RedisInboxReads(store, clock),
        RedisInboxChanges(store),
        RedisDueSet(store),
        RedisWorkers(store),
        RedisSoftBounceScores(store),
        RedisWorkerReports(store),
        RedisMailLimits(store),
        RedisDigestWindows(store),
        lambda recipient: inbox_drift(store, clock, recipient),
    )
