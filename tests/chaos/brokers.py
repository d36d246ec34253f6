"""Three brokers, of which one stops or dies, or whose leaders move: deliveries continue without it."""

import asyncio

from tests.chaos.environment import ChaosEnvironment
from tests.chaos.failover import flows_again
from tests.chaos.scenario import Act
from tests.support.readiness import start_ready_worker

_OFFSETS = "__consumer_offsets"
_ROUNDS = 3


def brokers_in_turn(*, clean: bool) -> Act:
    """Return an act in which each broker is stopped or killed, and started when deliveries have continued without it.

    So the leader of each partition, the coordinator of each group and the active controller are gone once.
    """

    async def act(environment: ChaosEnvironment) -> None:
        cluster, longest_s = environment.servers.brokers, 0.0
        for _ in range(2):
            await start_ready_worker(environment.pipeline)
        async with environment.continuous_load():
            await environment.wait_for_mail(100)
            for broker in cluster.brokers.values():
                await cluster.wait_until_in_sync()
                await asyncio.to_thread(broker.stop if clean else broker.kill)
                environment.end_fault()
                longest_s = max(longest_s, await flows_again(environment))
                assert broker.pid is None
                await asyncio.to_thread(broker.start)
        environment.note = f"delivered again after {longest_s:.0f} s at most, without the broker"

    return act


async def leaders_moved(environment: ChaosEnvironment) -> None:
    """Let another broker lead each partition, and so coordinate each group, three times under load."""
    cluster, pipeline = environment.servers.brokers, environment.pipeline
    topics = [change.topic for change in await pipeline.apply_topics()]
    for _ in range(2):
        await start_ready_worker(pipeline)
    longest_s, led = 0.0, set[int]()
    async with environment.continuous_load():
        await environment.wait_for_mail(100)
        for _ in range(_ROUNDS):
            led.add(await cluster.leader(pipeline.settings.kafka.events[0]))
            await cluster.move_leaders([*topics, _OFFSETS])
            environment.end_fault()
            longest_s = max(longest_s, await flows_again(environment))
    assert len(led) == len(cluster.brokers), f"only {led} have led"
    environment.note = f"delivered again after {longest_s:.0f} s at most"
