"""Check of Redis: version, eviction, persistence and replication of each server, and the tables' completeness."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from service.cli.checks import Finding, fail, ok, warn
from service.cli.checks.kafka import nothing_dispatched
from service.cli.checks.workers import problem_finding
from service.cli.support.times import iso
from service.pipeline.operate.problem_rules import find_problems
from service.pipeline.operate.problems import Observation, ProblemKind
from service.ports import ABSENT, Unavailable
from service.settings import Settings

if TYPE_CHECKING:
    from service.adapters.redis.client import Store
    from service.adapters.redis.operate.servers import RedisServer

_OLDEST_VERSION = {"Redis": (6, 2), "Valkey": (7, 2)}


async def check_redis(settings: Settings) -> Sequence[Finding]:
    """Return the findings on the servers, then on the tables."""
    from service.adapters.redis.operate.servers import servers

    try:
        findings = [finding for server in await servers(settings.redis) for finding in _server(server)]
    except Unavailable as unavailable:
        return [
            fail(
                "redis", unavailable.reason, "start Redis, or set TOCSIN_REDIS__URL and TOCSIN_REDIS__CLUSTER"
            )
        ]
    except ValueError as error:
        return [
            fail("redis", f"the URL cannot be used: {error}", "set TOCSIN_REDIS__URL to redis://HOST:PORT/0")
        ]
    return [*findings, *await _history(settings), await _tables(settings)]


def _server(server: "RedisServer") -> Iterator[Finding]:
    where = f" at {server.name}" if server.name else ""
    version = tuple(int(part) for part in server.version.split(".")[:2] if part.isdigit())
    if version < _OLDEST_VERSION[server.product]:
        oldest = ".".join(map(str, _OLDEST_VERSION[server.product]))
        yield fail(
            "redis", f"{server.product} {server.version}{where}", f"use {server.product} {oldest} or newer"
        )
    else:
        yield ok("redis", f"{server.product} {server.version}{where}")
    if server.eviction == "noeviction":
        yield ok("redis memory", f"noeviction{where}")
    else:
        detail = f"{server.eviction}{where}: a full Redis would evict deliveries"
        yield fail("redis memory", detail, "set maxmemory-policy noeviction")
    if server.append_only:
        yield ok("redis persistence", f"append-only file{where}")
    else:
        detail = f"no append-only file{where}: a restart loses ledger entries since the last snapshot"
        yield warn("redis persistence", detail, "set appendonly yes, or run `tocsin rebuild` after a loss")
    yield from _replication(server, where)


def _replication(server: "RedisServer", where: str) -> Iterator[Finding]:
    if server.needs_replicas:
        yield ok("redis replication", f"writes need a replica{where}; {server.replicas} connected")
    elif server.replicas:
        detail = (
            f"min-replicas-to-write is 0{where}: an old primary that is cut off accepts writes that are lost"
        )
        yield warn("redis replication", detail, "set min-replicas-to-write 1 and min-replicas-max-lag 3")


async def _history(settings: Settings) -> Sequence[Finding]:
    """Return the findings on what Redis knows of its own state: whether a loss would be noticed, and was made good."""
    from service.adapters.redis.client import Store
    from service.adapters.redis.state_history import RedisStateHistory

    store = Store(settings.redis)
    try:
        history = RedisStateHistory(store)
        status, last = await history.status(), await history.last_catch_up()
    except Unavailable:  # the findings on redis and the tables say why
        return []
    finally:
        await store.close()
    findings: list[Finding] = []
    if not status.servers:
        detail = "it does not tell its replication id: older data after a fail-over is noticed within a second only"
        findings.append(warn("redis history", detail, "allow the command INFO to Tocsin's user"))
    if status.unknown_servers:
        detail = "another server answers, and may lack the newest data: a worker reads them again from Kafka"
        findings.append(
            fail("redis history", detail, "start a worker; `/readyz` of the workers says when it is done")
        )
    elif last is not None and not last.ended_ms:
        detail = f"catching up from Kafka since {iso(last.began_ms)} ({last.cause})"
        findings.append(warn("redis history", detail, "nothing is sent until it has ended"))
    elif last is not None:
        detail = f"caught up from Kafka at {iso(last.began_ms)} ({last.cause}), {last.records} records"
        findings.append(ok("redis history", detail))
    return findings


async def _rows_are_only_here(settings: Settings, store: "Store") -> bool:
    """Return whether Redis has rows and Kafka never had one; False where Kafka does not say."""
    from service.adapters.redis.operate.inventory import holds_rows
    from service.cli.support.factories import kafka_connection
    from service.model.topics import TABLES, TopicNames
    from streams.reader.positions import never_written

    topics = TopicNames(settings.kafka.prefix)
    with suppress(Unavailable):
        if await never_written(kafka_connection(settings), [topics.table(name) for name in TABLES]):
            return await holds_rows(store)
    return False


async def _tables(settings: Settings) -> Finding:
    from service.adapters.redis.client import Store
    from service.adapters.redis.tables.tables import RedisTables
    from service.adapters.system_clock import SystemClock

    store = Store(settings.redis)
    only_here = False
    try:
        reason = await RedisTables(store).incomplete()
        if reason is None:
            only_here = await _rows_are_only_here(settings, store)
    except Unavailable as unavailable:
        return fail("tables", unavailable.reason, "see the finding on redis")
    finally:
        await store.close()
    if only_here:
        return warn(
            "tables",
            "complete, but Kafka has no record of them: it has lost its data, and Redis could not be rebuilt",
            "keep a copy of Redis, and write the rows again (`tocsin recipients import`, the API, the upstream)",
        )
    if reason is None:
        return ok("tables", "complete")
    if reason == ABSENT and await nothing_dispatched(settings):
        return ok("tables", "a new installation: the first worker fills them")
    seen = Observation(SystemClock().now_ms(), incomplete=reason)
    (problem,) = (one for one in find_problems(seen) if one.kind is ProblemKind.redis_incomplete)
    return problem_finding(problem, seen)
