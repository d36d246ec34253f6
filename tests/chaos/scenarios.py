"""The faults. Each is a function on a world under load; afterwards everything published must have arrived.

The references are those of docs/reliability.md.
"""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from service.dev.kafka import EmbeddedKafka
from service.dev.valkey import EmbeddedValkey
from streams.armed import POINTS as HANDLER_POINTS
from streams.faults import POINTS as STAGE_POINTS
from tests.chaos.world import CONNECTIONS, World
from tests.line import eventually
from tests.tcp_proxy import TcpProxy

CLAIMED = 500
"""Claims of one batch: what a killed worker may have handed to a relay without a mark, at the very most."""

NOT_REACHED = frozenset(
    {"after_poison_before_produce", "after_revoke_before_drain", "after_drain_before_leave"}
)
"""Points off the plain way: the stage's own tests pass them."""


@dataclass(frozen=True)
class Scenario:
    """`act` breaks things. `own` names the servers that it may harm, which are then its own."""

    name: str
    ref: str
    act: Callable[[World], Awaitable[None]]
    mail_bound: int = 0
    own: frozenset[str] = frozenset()
    settle_s: float = 240.0


async def plain(world: World) -> None:
    """No fault: what the others are compared with."""
    world.line.start_worker()
    await world.load(300)


def kill_at(point: str, passed: int) -> Callable[[World], Awaitable[None]]:
    """Die at a point, the n-th time it is passed, and come back."""

    async def act(world: World) -> None:
        worker = world.line.start_worker(TOCSIN_FAULT_AT=f"{point}:{passed}")
        if "due" in point:
            await _defer_somebody(world)
        load = asyncio.create_task(world.load(200, per_second=80))
        await asyncio.to_thread(worker.wait, 60)
        await load
        assert worker.returncode == -signal.SIGKILL, f"{point} was never passed"
        world.restart_all()

    return act


async def _defer_somebody(world: World) -> None:
    """One mail that its relay defers, so that the due set is used; nobody waits for it."""
    from service.model.recipient import Recipient

    row = Recipient(id="later", address="deferred@simulator.test", version=1)
    await world.line.parts.writes.put_recipients([row])
    event = {
        "id": "d",
        "source": "/later",
        "type": "winner",
        "recipients": ["later"],
        "data": {"lot_id": "d"},
    }
    await world.line.publish(event)


def random_kills(times: int, workers: int = 2) -> Callable[[World], Awaitable[None]]:
    """SIGKILL a random worker at random times under load, and start another."""

    async def act(world: World) -> None:
        for _ in range(workers):
            world.line.start_worker()
        load = asyncio.create_task(world.load(100 * times, per_second=50))
        for _ in range(times):
            await asyncio.sleep(world.rng.uniform(0.3, 3.0))
            world.kill(world.rng.choice(world.line.workers))
            world.restart_all()
        await load

    return act


async def sigterm(world: World) -> None:
    """A clean stop in mid-load: drain, hand over, nothing twice."""
    first = world.line.start_worker()
    load = asyncio.create_task(world.load(600))
    await _mails(world, 50)
    first.terminate()
    await asyncio.to_thread(first.wait, 60)
    assert first.returncode == 0
    world.restart_all()
    await load


async def rebalance_storm(world: World) -> None:
    """Workers join and leave again and again."""
    world.line.start_worker()
    load = asyncio.create_task(world.load(600, per_second=60))
    for _ in range(4):
        joined = world.line.start_worker()
        await asyncio.sleep(world.rng.uniform(1.0, 3.0))
        joined.send_signal(signal.SIGTERM)
        await asyncio.to_thread(joined.wait, 60)
    await load


async def redis_kill(world: World) -> None:
    """Redis is killed and comes back with its append-only file."""
    valkey = _valkey(world)
    world.line.start_worker()
    load = asyncio.create_task(world.load(400, per_second=100))
    await _mails(world, 50)
    await asyncio.sleep(1.1)  # what is older than the fsync of everysec is on disk
    await asyncio.to_thread(valkey.kill)
    await asyncio.sleep(2.0)
    await asyncio.to_thread(valkey.start)
    await load


async def redis_refuses_writes(world: World) -> None:
    """Out of memory with noeviction, then read-only: back-pressure, and on by itself."""
    world.line.start_worker()
    load = asyncio.create_task(world.load(400, per_second=100))
    await _mails(world, 20)
    for down, up in (
        (("CONFIG", "SET", "maxmemory", "1"), ("CONFIG", "SET", "maxmemory", "0")),
        (("REPLICAOF", "127.0.0.1", "1"), ("REPLICAOF", "NO", "ONE")),
    ):
        await world.line.parts.store.pipeline([down])
        await asyncio.sleep(2.0)
        await world.line.parts.store.pipeline([up])
    await load


async def broker_kill(world: World) -> None:
    """The broker is killed in mid-load and comes back."""
    kafka = _kafka(world)
    world.line.start_worker()
    await world.load(200)
    await asyncio.to_thread(kafka.kill)
    await asyncio.sleep(2.0)
    await asyncio.to_thread(kafka.start)
    await world.load(200)


async def poison_and_repeats(world: World) -> None:
    """Poison and oversize among the events, each event three times and out of order."""
    world.poison = 300_000
    world.line.start_worker()
    await world.load(200, copies=3)


def network(target: str, how: str) -> Callable[[World], Awaitable[None]]:
    """The network between the worker and one server is cut, or half-open, for seconds."""

    async def act(world: World) -> None:
        settings = world.line.settings
        port = (
            settings.smtp.port
            if target == "SMTP"
            else int(settings.redis.url.get_secret_value().split(":")[2].split("/")[0])
        )
        async with TcpProxy(port) as proxy:
            variable = {
                "SMTP": {"TOCSIN_SMTP__PORT": str(proxy.port)},
                "Redis": {"TOCSIN_REDIS__URL": f"redis://127.0.0.1:{proxy.port}/0"},
            }[target]
            world.line.start_worker(**variable)
            load = asyncio.create_task(world.load(400, per_second=100))
            await _mails(world, 50)
            getattr(proxy, how)()
            await asyncio.sleep(4.0)
            if how == "stall":
                proxy.cut()
            proxy.heal()
            await load
            await world.settled(90)

    return act


async def dead_letters_refused(world: World) -> None:
    """The dead-letter topic takes nothing: the stage waits rather than drop, and goes on when it can."""
    from aiokafka.admin import AIOKafkaAdminClient
    from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

    async def limit(size: int) -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=world.line.settings.kafka.bootstrap)
        await admin.start()
        topic = world.line.parts.topics.dead_letter
        await admin.alter_configs(
            [ConfigResource(ConfigResourceType.TOPIC, topic, {"min.insync.replicas": str(size)})]
        )
        await admin.close()

    world.poison = 10
    await limit(2)  # one replica cannot satisfy acks=all
    world.line.start_worker()
    await world.load(100)
    await asyncio.sleep(3.0)
    assert await world.line.dead_letters() == []
    await limit(1)


def _valkey(world: World) -> EmbeddedValkey:
    assert world.valkey is not None
    return world.valkey


def _kafka(world: World) -> EmbeddedKafka:
    assert world.kafka is not None
    return world.kafka


async def _mails(world: World, count: int) -> None:
    async def caught() -> bool:
        return len(world.line.catcher.mails) >= count

    await eventually(caught, 60)


_IN_FLIGHT = CONNECTIONS + 3 * CLAIMED

KILL_POINTS = [
    Scenario(f"kill -9 {point}", "F1 F2", kill_at(point, passed), _IN_FLIGHT)
    for point, passed in {
        **dict.fromkeys(HANDLER_POINTS, 1),
        **dict.fromkeys([p for p in STAGE_POINTS if p not in NOT_REACHED], 1),
        "after_due.add_before_mark": 1,
        "after_due.take_before_produce": 1,
        "after_250_before_mark": 40,
    }.items()
]
OTHERS = [
    Scenario("no fault", "-", plain),
    Scenario("SIGTERM in mid-load", "F3", sigterm),
    Scenario("kill -9 at random times, two workers", "F1 F2", random_kills(4), 4 * _IN_FLIGHT, settle_s=300),
    Scenario("workers join and leave", "F5", rebalance_storm, settle_s=300),
    Scenario("Redis killed, 2 s away", "F6", redis_kill, _IN_FLIGHT, frozenset({"valkey"})),
    Scenario("Redis out of memory, then read-only", "F8", redis_refuses_writes, 0, frozenset({"valkey"})),
    Scenario("broker killed, 2 s away", "F4", broker_kill, _IN_FLIGHT, frozenset({"kafka"}), 300),
    Scenario("poison, oversize, repeats, disorder", "F17 F18 F19", poison_and_repeats),
    Scenario("network to the relay cut", "F14", network("SMTP", "cut"), CONNECTIONS),
    Scenario("network to the relay half-open", "F11 F14", network("SMTP", "stall"), CONNECTIONS),
    Scenario("network to Redis cut", "F14", network("Redis", "cut"), 0),
    Scenario("dead-letter topic refuses", "F20", dead_letters_refused),
]
ALL = [*OTHERS, *KILL_POINTS]
SHORT = [
    *(
        s
        for s in OTHERS
        if s.name
        in (
            "SIGTERM in mid-load",
            "poison, oversize, repeats, disorder",
            "Redis out of memory, then read-only",
        )
    ),
    *(
        s
        for s in KILL_POINTS
        if "after_250" in s.name or "after_ledger.open" in s.name or "produce_before_finish" in s.name
    ),
]
