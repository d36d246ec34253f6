"""A fault in our own commit logic, to see that the harness finds it."""

import asyncio

from tests.chaos.environment import World

_KILLS = 3
_COMMITS = 4
_ENOUGH = 35
"""Of fifty later events, to know that nothing of before will still come; the first of a partition may be lost too."""


async def commit_one_too_far(world: World) -> None:
    """Kafka is told of one record more than is finished; who is killed after such a commit has lost it."""
    async with world.flow(40):
        for _ in range(_KILLS):
            worker = world.line.start_worker(
                module="tests.chaos.worker",
                TOCSIN_CHAOS_PLANT="commit one too far",
                TOCSIN_FAULT_AT=f"after_commit:{_COMMITS}",
            )
            await asyncio.to_thread(worker.wait, 240)
            await world.count_claims()
    world.line.workers.clear()
    world.line.start_worker()
    later = [world.event() for _ in range(50)]
    await world.publish(later)
    await world.settled_of([event["id"] for event in later], _ENOUGH, 240)
