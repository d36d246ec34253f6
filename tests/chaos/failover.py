"""Redis fails over, its slots move, or it closes connections: deliveries continue within seconds."""

import asyncio
import time
from collections import Counter

from redis.crc import key_slot

from service.model.ids import LEDGER_SHARDS
from tests.chaos.environment import RECIPIENTS, ChaosEnvironment
from tests.support.api_process import api_process
from tests.support.readiness import start_ready_worker
from tests.support.redis_sentinels import SERVICE
from tests.support.wait import eventually

_MOST_RECOVERY_S = 90.0
"""From the end of a fault until an event published then is delivered. A new primary is caught up first."""


async def connections_survive(environment: ChaosEnvironment) -> None:
    """Switch the parts of primary and replica, twice; every connection stays open, to what is a replica now."""
    pair = environment.servers.pair
    await start_ready_worker(environment.pipeline)
    async with environment.continuous_load():
        await environment.wait_for_mail(100)
        for _ in range(2):
            await pair.switch()
            environment.end_fault()
            await flows_again(environment)


async def by_sentinels(environment: ChaosEnvironment) -> None:
    """Let the sentinels switch the parts; then kill the primary, together with the first sentinel."""
    sentinels = environment.servers.sentinels
    await start_ready_worker(environment.pipeline)
    async with environment.continuous_load():
        await environment.wait_for_mail(100)
        await sentinels.ask(0, "SENTINEL", "FAILOVER", SERVICE, "COORDINATED")
        await eventually(lambda: _is_primary(environment, sentinels.second.port))
        environment.end_fault()
        await flows_again(environment)
        await eventually(lambda: sentinels.in_step(sentinels.first.port), 60)
        sentinels.sentinels[0].stop()
        await asyncio.to_thread(sentinels.second.kill)
        await eventually(lambda: _is_primary(environment, sentinels.first.port))
        environment.end_fault()
        await flows_again(environment)


async def _is_primary(environment: ChaosEnvironment, port: int) -> bool:
    return await environment.servers.sentinels.primary() == port


async def primary_of_cluster_killed(environment: ChaosEnvironment) -> None:
    """Kill the primary of the first slots, which is the first seed server; its replica takes over."""
    cluster = environment.servers.cluster
    await start_ready_worker(environment.pipeline)
    async with environment.continuous_load():
        await environment.wait_for_mail(100)
        victim = cluster.primary_of(0)
        await asyncio.to_thread(victim.kill)

        async def replaced() -> bool:
            return await asyncio.to_thread(cluster.primary_of, 0) is not victim

        await eventually(replaced)
        environment.end_fault()
        await flows_again(environment)


async def slots_moved(environment: ChaosEnvironment) -> None:
    """Move the slots of all inboxes and of all shards of the ledger; some of them stay half moved for a second."""
    cluster, keys = environment.servers.cluster, environment.pipeline.parts.store.keys
    tags = [keys.inbox(f"p{n}") for n in range(RECIPIENTS)]
    tags += [keys.ledger_shard(n) for n in range(LEDGER_SHARDS)]
    await start_ready_worker(environment.pipeline)
    async with environment.continuous_load():
        await environment.wait_for_mail(100)
        for n, tag in enumerate(tags):
            slot = key_slot(tag.encode())
            source = await asyncio.to_thread(cluster.primary_of, slot)
            target = await asyncio.to_thread(cluster.primary_of, (slot + 5_500) % 16_384)
            if target is source:
                continue
            await asyncio.to_thread(cluster.move_slot, slot, target, finish=False)
            if n % 4 == 0:
                await asyncio.sleep(1.0)
            await asyncio.to_thread(cluster.finish_move, slot, source, target)
        environment.end_fault()
        await flows_again(environment)
    dead = len(await environment.pipeline.dead_letters())
    assert not dead, f"{dead} dead letters"
    replies = await asyncio.to_thread(cluster.redirections)
    assert all(replies.values()), f"not every reply of a moving slot was given: {replies}"
    environment.note = ", ".join(f"{count} {name}" for name, count in replies.items())


async def idle_connections_closed(environment: ChaosEnvironment) -> None:
    """Close all connections again and again, and idle ones after a second, as proxies and `timeout` do.

    Each request to the API counts against a rate limit in Redis; none of them may notice.
    """
    store = environment.pipeline.parts.store
    await start_ready_worker(environment.pipeline)
    await store.pipeline([("CONFIG", "SET", "timeout", "1")])
    codes: Counter[int] = Counter()
    async with (
        api_process(environment.pipeline, "p1", TOCSIN_LIMITS__INBOX="99/minute") as api,
        environment.continuous_load(),
    ):
        await environment.wait_for_mail(100)
        for _ in range(10):
            await store.pipeline([("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")])
            codes.update([(await api.get("/counts")).status_code for _ in range(5)])
            await environment.wait_for_mail(5)
        environment.end_fault()
        await flows_again(environment)
    assert set(codes) == {200}, f"answers of the API: {dict(codes)}"


async def flows_again(environment: ChaosEnvironment) -> float:
    """Publish events, and wait until they are settled: through every stage. Return the seconds from now on.

    Raise AssertionError after 90 s.
    """
    events, started_s = [environment.expected_event() for _ in range(20)], time.monotonic()
    await environment.publish(events)
    await environment.wait_until_settled([event["id"] for event in events], _MOST_RECOVERY_S)
    took_s = time.monotonic() - started_s
    await environment.wait_for_mail(20)
    return took_s
