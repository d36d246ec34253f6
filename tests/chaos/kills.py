"""Workers that die, stop, join and leave."""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from service.model.recipient import Recipient
from tests.chaos.environment import World
from tests.chaos.nest import Forked, Nest
from tests.chaos.scenario import Act
from tests.chaos.worker import STUMBLE
from tests.support.wait import eventually

_DEATH_SECONDS = 240


async def plain(world: World) -> None:
    """No fault: what the others are compared with."""
    world.line.start_worker()
    await world.load(300)


def kill_at(
    point: str, passed: int, how: Callable[[World], Awaitable[None]] | None = None, **worker: Any
) -> Act:
    """Die at a point, the n-th time it is passed, and come back.

    `how` leads the worker there, if load does not. `worker` is what both workers are started with.
    """

    async def act(world: World) -> None:
        first = world.line.start_worker(TOCSIN_FAULT_AT=f"{point}:{passed}", **worker)
        load = asyncio.create_task(world.load(200, per_second=80))
        if how is not None:
            await how(world)
        await asyncio.to_thread(first.wait, _DEATH_SECONDS)
        assert first.returncode == -signal.SIGKILL, f"{point} was never passed"
        await world.count_claims()
        await load
        world.restart_all(**worker)
        world.healed()

    return act


async def over_poison(world: World) -> None:
    """Die when a handler has stumbled over a record, before that is a dead letter; the next worker writes it."""
    bent = {"module": "tests.chaos.worker", "TOCSIN_CHAOS_PLANT": "stumble"}
    await kill_at("after_poison_before_produce", 1, _send_poison, **bent)(world)
    letters: list[bytes] = []

    async def written() -> bool:
        letters[:] = [value for value, _ in await world.line.dead_letters()]
        return bool(letters)

    await eventually(written, 90)
    assert letters == [STUMBLE]


async def _send_poison(world: World) -> None:
    await world.publish([STUMBLE])


async def defer_somebody(world: World) -> None:
    """One mail that its relay defers, so that the due set is used; nobody waits for it."""
    row = Recipient(id="later", address="deferred@simulator.test", version=1)
    await world.line.parts.writes.put_recipients([row])
    event = {
        "id": "d",
        "source": "/later",
        "type": "winner",
        "recipients": ["later"],
        "data": {"lot_id": "d"},
    }
    await world.publish([event])


async def a_second_joins(world: World) -> None:
    """The group takes partitions from the first worker, for a second one."""
    await _busy(world)
    world.line.start_worker()


async def terminate(world: World) -> None:
    """The worker is asked to stop."""
    await _busy(world)
    world.line.workers[0].terminate()


async def _busy(world: World) -> None:
    """Wait until the worker sends mails, or has died before."""

    async def is_busy() -> bool:
        return world.received() >= 20 or world.line.workers[0].poll() is not None

    await eventually(is_busy, _DEATH_SECONDS)


def random_kills(times: int, workers: int = 2) -> Act:
    """SIGKILL a random worker at random times under load, and start another."""

    async def act(world: World) -> None:
        for _ in range(workers):
            world.line.start_worker()
        async with world.flow(30):
            for _ in range(times):
                await asyncio.sleep(world.rng.uniform(2.0, 8.0))
                await world.kill(world.rng.choice(world.line.workers))
                world.restart_all()
            world.healed()

    return act


def many_kills(times: int) -> Act:
    """The same with workers that are forked ready-made, so that hundreds of them can be killed in minutes."""
    shares = ["resolve,inbox", "email,schedule"] * 2

    async def act(world: World) -> None:
        fruitful = 0
        async with Nest(world.line) as nest:
            living = [await nest.hatch(stages) for stages in shares]
            async with world.flow(20):
                await world.mailed(50)
                started = time.monotonic()
                for _ in range(times):
                    before = world.received()
                    await asyncio.sleep(world.rng.uniform(0.2, 3.6))
                    fruitful += world.received() > before
                    place = await _kill_one(world, living)
                    living[place] = await nest.hatch(shares[place])
                took = time.monotonic() - started
                world.healed()
            world.note = f"{times} kills in {took:.0f} s, mail flowed before {fruitful} of them"
            await world.settled(world.published, 300)
            assert fruitful > times / 2, f"the line stood still: {world.note}"

    return act


async def _kill_one(world: World, living: Sequence[Forked]) -> int:
    place = world.rng.randrange(len(living))
    assert living[place].alive, "a worker had died before it was killed"
    await world.kill(living[place])
    return place


async def sigterm(world: World) -> None:
    """A clean stop in mid-load: drain, hand over, nothing twice."""
    first = world.line.start_worker()
    async with world.flow(40):
        await world.mailed(50)
        first.terminate()
        await asyncio.to_thread(first.wait, 60)
        assert first.returncode == 0
        world.restart_all()
        world.healed()
        await world.mailed(50)


async def rebalance_storm(world: World) -> None:
    """Workers join and leave again and again."""
    world.line.start_worker()
    async with world.flow(30):
        await world.mailed(20)
        for _ in range(5):
            joined = world.line.start_worker()
            await asyncio.sleep(world.rng.uniform(3.0, 6.0))
            joined.send_signal(signal.SIGTERM)
            await asyncio.to_thread(joined.wait, 60)
        world.healed()
