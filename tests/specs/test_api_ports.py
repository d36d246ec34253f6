"""Specs of the ports that only the API uses: credentials, directory, row locks, idempotency keys, rate limits."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from math import inf
from uuid import uuid4

import pytest
from pydantic import SecretStr
from redis.asyncio import Redis

from service import settings
from service.adapters.redis.client import Store
from service.adapters.redis.http import rate_limits
from service.adapters.redis.http.ended_sessions import RedisEndedSessions
from service.adapters.redis.http.idempotency import RedisIdempotency
from service.adapters.redis.http.rate_limits import RedisRateLimits
from service.adapters.redis.http.stream_tickets import RedisStreamTickets
from service.adapters.redis.operate.operations import RedisOperations
from service.adapters.redis.tables.credentials import RedisAccounts, RedisApiKeys
from service.adapters.redis.tables.directory import RedisRecipientDirectory
from service.adapters.redis.tables.row_locks import RedisRowLocks
from service.adapters.redis.tables.writes import RedisTableWrites
from service.dev.ports import free_port
from service.model.access import Account, ApiKey
from service.model.recipient import Recipient
from service.ports import (
    Accounts,
    ApiKeys,
    EndedSessions,
    Idempotency,
    IdempotencyState,
    OperationProgress,
    Operations,
    RateLimits,
    RecipientDirectory,
    RowLocks,
    StreamTicket,
    StreamTickets,
    TableWrites,
    Unavailable,
)
from tests.fakes.credentials import FakeAccounts, FakeApiKeys
from tests.fakes.http import FakeEndedSessions, FakeIdempotency, FakeRateLimits, FakeStreamTickets
from tests.fakes.operations import FakeOperations
from tests.fakes.row_locks import FakeRowLocks
from tests.fakes.tables import FakeRecipientDirectory, FakeTables
from tests.support.completeness import mark_complete
from tests.support.cost_growth import assert_linear_async
from tests.support.redis_cluster import shared_cluster
from tests.support.stack import shared_valkey


@dataclass(frozen=True)
class ApiPorts:
    """The ports of one backend."""

    accounts: Accounts
    api_keys: ApiKeys
    directory: RecipientDirectory
    writes: TableWrites
    locks: RowLocks
    idempotency: Idempotency
    tickets: StreamTickets
    ended: EndedSessions
    limits: RateLimits
    operations: Operations


@pytest.fixture(params=["fake", "valkey", "cluster"])
async def ports(request: pytest.FixtureRequest) -> AsyncIterator[ApiPorts]:
    if request.param == "fake":
        tables = FakeTables()
        yield ApiPorts(
            FakeAccounts(),
            FakeApiKeys(),
            FakeRecipientDirectory(tables),
            tables,
            FakeRowLocks(),
            FakeIdempotency(),
            FakeStreamTickets(),
            FakeEndedSessions(),
            FakeRateLimits(),
            FakeOperations(),
        )
        return
    cluster = request.param == "cluster"
    url = shared_cluster() if cluster else shared_valkey().url
    redis = settings.RedisSettings(url=SecretStr(url), cluster=cluster, prefix=f"{uuid4().hex}:")
    store = Store(redis)
    await mark_complete(store)
    yield ApiPorts(
        RedisAccounts(store),
        RedisApiKeys(store),
        RedisRecipientDirectory(store),
        RedisTableWrites(store),
        RedisRowLocks(store),
        RedisIdempotency(store),
        RedisStreamTickets(store),
        RedisEndedSessions(store),
        RedisRateLimits(store, now=lambda: 1_000_000.0),
        RedisOperations(store),
    )
    await store.close()


async def test_accounts(ports: ApiPorts) -> None:
    """A row is stored until it is deleted; an older version replaces neither a newer row nor a deletion."""
    rows = [Account(id="a{c}", credential=f"hash {version}", version=version) for version in range(4)]

    assert await ports.accounts.get("a{c}") is None
    assert await ports.accounts.put(rows[2])
    assert not await ports.accounts.put(rows[1])
    assert await ports.accounts.get("a{c}") == rows[2]
    assert not await ports.accounts.delete("a{c}", 1)
    assert await ports.accounts.delete("a{c}", 3)
    assert await ports.accounts.get("a{c}") is None
    assert not await ports.accounts.put(rows[2])


async def test_api_keys(ports: ApiPorts) -> None:
    """Keys are read by id and listed by id; an older version replaces nothing."""
    key = ApiKey(id="b", name="shop", scopes=("events",), hash="00", created_ms=5, version=2)
    await ports.api_keys.put(key)
    await ports.api_keys.put(key.model_copy(update={"id": "a"}))

    assert not await ports.api_keys.put(key.model_copy(update={"version": 1, "revoked_ms": 6}))
    assert await ports.api_keys.get("b") == key
    assert await ports.api_keys.get("c") is None
    assert [row.id for row in await ports.api_keys.all()] == ["a", "b"]


async def test_directory(ports: ApiPorts) -> None:
    """Recipients come in the order of their ids' bytes, each once, with any roles; deleted ones are absent."""
    names = ["b", "a", "é", "c", "{x}", "gone"]
    await ports.writes.put_recipients([Recipient(id=name, roles=("admin",), version=1) for name in names])
    await ports.writes.put_recipients([Recipient(id="b", version=2)])
    await ports.writes.delete_recipient("gone", 2)

    first = await ports.directory.recipients("", 3)
    rest = await ports.directory.recipients(first[-1].id, 10)

    assert [row.id for row in (*first, *rest)] == ["a", "b", "c", "{x}", "é"]


async def test_row_locks(ports: ApiPorts) -> None:
    """A row has one lock holder at a time, other rows are independent; an exception releases the lock."""
    inside: list[str] = []

    async def work(row: str) -> None:
        async with ports.locks.hold(row):
            assert row not in inside
            inside.append(row)
            await asyncio.sleep(0)
            inside.remove(row)

    await asyncio.gather(*(work(row) for row in "aabbaabb"))
    with pytest.raises(KeyError):
        async with ports.locks.hold("a"):
            raise KeyError
    async with ports.locks.hold("a"):
        pass


async def test_idempotency(ports: ApiPorts) -> None:
    """The first request claims a key; a repeat gets `running`, then the answer; another request gets `mismatch`."""
    assert (await ports.idempotency.begin("k", "one")).repeat is IdempotencyState.first
    assert (await ports.idempotency.begin("k", "one")).repeat is IdempotencyState.running
    assert (await ports.idempotency.begin("k", "two")).repeat is IdempotencyState.mismatch
    await ports.idempotency.finish("k", "one", b'{"a":\n1}')
    done = await ports.idempotency.begin("k", "one")
    assert (done.repeat, done.answer) == (IdempotencyState.done, b'{"a":\n1}')
    await ports.idempotency.release("k")
    assert (await ports.idempotency.begin("k", "two")).repeat is IdempotencyState.first


async def test_stream_tickets(ports: ApiPorts) -> None:
    """A ticket is taken once, however many requests race for it; another secret has none."""
    forever, until = StreamTicket("line\nbreak é", inf), StreamTicket("bob", 1_790_000_000.25)
    await ports.tickets.put("one", forever)
    await ports.tickets.put("two", until)

    taken = await asyncio.gather(*(ports.tickets.take("one") for _ in range(5)))

    assert sorted(taken, key=bool) == [None] * 4 + [forever]
    assert await ports.tickets.take("two") == until
    assert await ports.tickets.take("\ud800") is None


async def test_ended_sessions(ports: ApiPorts) -> None:
    """A session that was signed out is known; no other is."""
    await ports.ended.add("one", 60)

    assert await ports.ended.contains("one")
    assert not await ports.ended.contains("two")


async def test_rate_limits(ports: ApiPorts) -> None:
    """Requests pass up to the limit, each returns what is left, and callers are counted separately."""
    quotas = [await ports.limits.hit("3/minute", "a") for _ in range(4)]
    other = await ports.limits.hit("3/minute", "b")

    assert [quota.allowed for quota in quotas] == [True, True, True, False]
    assert [quota.remaining for quota in quotas] == [2, 1, 0, 0]
    assert (other.allowed, other.limit, other.window_s) == (True, 3, 60)
    assert 1 <= other.reset_s <= 60


async def test_a_request_that_counts_as_many(ports: ApiPorts) -> None:
    """It passes if as many are left, and else takes none of them."""
    quotas = [await ports.limits.hit("300/minute", "a", cost) for cost in (100, 150, 51, 50, 1)]

    assert [quota.allowed for quota in quotas] == [True, True, False, True, False]
    assert quotas[1].remaining == 50


async def test_processes_share_a_limit(valkey_url: str) -> None:
    """Processes together let no more pass than the limit; in the next window as many again."""
    now = 1_000_000.0
    stores = [Store(settings.RedisSettings(url=SecretStr(valkey_url))) for _ in range(3)]
    processes = [RedisRateLimits(store, now=lambda: now) for store in stores]

    passed = sum([(await processes[n % 3].hit("500/minute", "a")).allowed for n in range(900)])
    now += 60
    again = sum([(await processes[n % 3].hit("500/minute", "a")).allowed for n in range(900)])

    assert 490 <= passed <= 500  # a lease of five may stay with each process that came last
    assert 490 <= again <= 500
    for store in stores:
        await store.close()


async def test_a_hundredth_of_a_limit_needs_no_redis() -> None:
    """A hundredth of a limit passes without Redis, again in each window; a small limit always needs Redis."""
    now = 1_000_000.0
    unreachable = settings.RedisSettings(url=SecretStr(f"redis://127.0.0.1:{free_port()}"))
    store = Store(unreachable)
    limits = RedisRateLimits(store, now=lambda: now)

    for _ in range(2):
        quotas = [await limits.hit("500/minute", "a") for _ in range(5)]
        assert [quota.remaining for quota in quotas] == [499, 498, 497, 496, 495]
        with pytest.raises(Unavailable):
            await limits.hit("500/minute", "a")
        now += 60
    with pytest.raises(Unavailable):
        await limits.hit("99/minute", "a")
    await store.close()


async def test_the_first_request_after_an_idle_close_is_counted(valkey_url: str) -> None:
    """A connection that the server has closed meanwhile is replaced, and its request passes."""
    store = Store(settings.RedisSettings(url=SecretStr(valkey_url)))
    limits = RedisRateLimits(store, now=lambda: 1_000_000.0)
    assert (await limits.hit("9/minute", "idle")).allowed
    async with Redis.from_url(valkey_url) as admin:
        await admin.execute_command("CLIENT", "KILL", "TYPE", "normal")

    assert (await limits.hit("9/minute", "idle")).remaining == 7
    await store.close()


async def test_invented_callers_do_not_fill_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """The leases of a process are limited, and a new one does not look at all others each time."""
    monkeypatch.setattr(rate_limits, "_MAX_LEASES", 1000)
    unreachable = settings.RedisSettings(url=SecretStr(f"redis://127.0.0.1:{free_port()}"))
    limits = RedisRateLimits(unreachable, now=lambda: 1_000_000.0)

    async def call(numbers: range) -> None:
        for n in numbers:
            await limits.hit("500/minute", f"caller {n}")

    async def fresh(size: int) -> range:
        return range(size)

    await call(range(5000))
    assert len(limits._leases) <= 1000
    await assert_linear_async(fresh, call, size=2000)


async def test_locks_of_two_processes(valkey_url: str) -> None:
    """Another process waits for the lock, and fails after its patience."""
    store = Store(settings.RedisSettings(url=SecretStr(valkey_url)))
    own, other = RedisRowLocks(store), RedisRowLocks(store, patience_s=0.05)
    async with own.hold("a"):
        with pytest.raises(Unavailable):
            async with other.hold("a"):
                pass
    async with other.hold("a"):
        pass
    await store.close()


async def test_a_lock_expires(valkey_url: str) -> None:
    """A row whose holder crashed can be locked after the TTL; a late release does not free another holder's lock."""
    store = Store(settings.RedisSettings(url=SecretStr(valkey_url)))
    crashed, running = RedisRowLocks(store, ttl_s=0.05), RedisRowLocks(store)
    other = RedisRowLocks(store, patience_s=0.05)
    async with crashed.hold("a"):
        entered = running.hold("a")
        await entered.__aenter__()
    with pytest.raises(Unavailable):
        async with other.hold("a"):
            pass
    await entered.__aexit__(None, None, None)
    await store.close()


async def test_progress_is_seen_and_an_operation_can_be_cancelled(ports: ApiPorts) -> None:
    """The process that runs it learns of the wish with its next progress."""
    first = OperationProgress("a", 10, {"replayed": 3}, 5)
    assert list(await ports.operations.progress(["a", "b"])) == [None, None]

    assert not await ports.operations.put(first)
    assert list(await ports.operations.progress(["b", "a"])) == [None, first]
    await ports.operations.cancel("a")
    last = OperationProgress("a", 10, {"replayed": 4}, 6, "cut off")
    assert await ports.operations.put(last)
    assert list(await ports.operations.progress(["a"])) == [last]
    assert not await ports.operations.put(OperationProgress("b", 1))
    assert list(await ports.operations.progress([])) == []
