"""Workers that die, stop, join and leave."""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import httpx

from service.model.recipient import Recipient
from tests.chaos.environment import ChaosEnvironment
from tests.chaos.failover import flows_again
from tests.chaos.fork_server import ForkedWorker, WorkerForkServer
from tests.chaos.scenario import Act
from tests.chaos.worker import FAILING_EVENT
from tests.support.readiness import start_ready_worker
from tests.support.wait import eventually

_KILL_TIMEOUT_S = 240
_JOINING, _SHARED_TIMEOUT_S = 3, 120.0
_USED_STAGES = ("resolve", "inbox", "email.high")


async def no_fault(environment: ChaosEnvironment) -> None:
    """Publish without a fault, to compare the other scenarios with."""
    environment.pipeline.start_worker()
    await environment.publish_load(300)


def kill_at(
    point: str,
    passes: int,
    lead: Callable[[ChaosEnvironment], Awaitable[None]] | None = None,
    **worker: Any,
) -> Act:
    """Return an act in which the worker dies when it passes a point for the n-th time, and another one follows.

    `lead` brings the worker to the point, where load alone does not. `worker` are the arguments that both are started
    with.
    """

    async def act(environment: ChaosEnvironment) -> None:
        first = environment.pipeline.start_worker(TOCSIN_FAULT_AT=f"{point}:{passes}", **worker)
        load = asyncio.create_task(environment.publish_load(200, rate_per_s=80))
        if lead is not None:
            await lead(environment)
        await asyncio.to_thread(first.wait, _KILL_TIMEOUT_S)
        assert first.returncode == -signal.SIGKILL, f"{point} was never passed"
        await environment.count_claims()
        await load
        environment.replace_ended_workers(**worker)
        environment.end_fault()

    return act


async def kill_before_dead_letter(environment: ChaosEnvironment) -> None:
    """Kill the worker when a handler has failed on a record and its dead letter is not written; the next writes it."""
    fault = {"module": "tests.chaos.worker", "TOCSIN_CHAOS_PLANT": "handler failure"}
    act = kill_at("after_failure_before_dead_letter", 1, _publish_failing_event, **fault)
    await act(environment)
    dead_letters: list[bytes] = []

    async def written() -> bool:
        dead_letters[:] = [value for value, _ in await environment.pipeline.dead_letters()]
        return bool(dead_letters)

    await eventually(written, 90)
    assert dead_letters == [FAILING_EVENT], f"dead letters: {dead_letters}"


async def _publish_failing_event(environment: ChaosEnvironment) -> None:
    await environment.publish([FAILING_EVENT])


async def defer_one_message(environment: ChaosEnvironment) -> None:
    """Publish an event whose message the relay defers, so that the due set is used. No check waits for it."""
    row = Recipient(id="later", address="deferred@simulator.test", version=1)
    await environment.pipeline.parts.writes.put_recipients([row])
    event = {
        "id": "d",
        "source": "/later",
        "type": "winner",
        "recipients": ["later"],
        "data": {"lot_id": "d"},
    }
    await environment.publish([event])


async def join_second_worker(environment: ChaosEnvironment) -> None:
    """Start a second worker, for which the group revokes partitions of the first."""
    await _wait_until_busy(environment)
    environment.pipeline.start_worker()


async def terminate_worker(environment: ChaosEnvironment) -> None:
    """Send SIGTERM to the worker."""
    await _wait_until_busy(environment)
    environment.pipeline.workers[0].terminate()


async def _wait_until_busy(environment: ChaosEnvironment) -> None:
    """Wait until the worker sends messages, or has died before."""

    async def is_busy() -> bool:
        return environment.mail_count() >= 20 or environment.pipeline.workers[0].poll() is not None

    await eventually(is_busy, _KILL_TIMEOUT_S)


def random_kills(times: int, workers: int = 2) -> Act:
    """Return an act that kills a random worker at random times under load, and starts another each time."""

    async def act(environment: ChaosEnvironment) -> None:
        for _ in range(workers):
            environment.pipeline.start_worker()
        async with environment.continuous_load(30):
            for _ in range(times):
                await asyncio.sleep(environment.rng.uniform(2.0, 8.0))
                await environment.kill(environment.rng.choice(environment.pipeline.workers))
                environment.replace_ended_workers()
            environment.end_fault()

    return act


def many_kills(times: int) -> Act:
    """Return the same act with forked workers, which start so fast that hundreds can be killed in minutes."""
    stages = ["resolve,inbox", "email,schedule"] * 2

    async def act(environment: ChaosEnvironment) -> None:
        with_progress = 0
        async with WorkerForkServer(environment.pipeline) as server:
            workers = [await server.fork(names) for names in stages]
            async with environment.continuous_load(20):
                await environment.wait_for_mail(50)
                started = time.monotonic()
                for _ in range(times):
                    before = environment.mail_count()
                    await asyncio.sleep(environment.rng.uniform(0.2, 3.6))
                    with_progress += environment.mail_count() > before
                    index = await _kill_one(environment, workers)
                    workers[index] = await server.fork(stages[index])
                took_s = time.monotonic() - started
                environment.end_fault()
            environment.note = f"{times} kills in {took_s:.0f} s, mail flowed before {with_progress} of them"
            await environment.wait_until_settled(environment.published, 300)
            assert with_progress > times / 2, f"the pipeline made no progress: {environment.note}"

    return act


async def _kill_one(environment: ChaosEnvironment, workers: Sequence[ForkedWorker]) -> int:
    index = environment.rng.randrange(len(workers))
    assert workers[index].running, "a worker had died before it was killed"
    await environment.kill(workers[index])
    return index


async def sigterm(environment: ChaosEnvironment) -> None:
    """Stop a worker cleanly under load: it drains and leaves its group, and nothing is sent twice."""
    first = environment.pipeline.start_worker()
    async with environment.continuous_load(40):
        await environment.wait_for_mail(50)
        first.terminate()
        await asyncio.to_thread(first.wait, 60)
        assert first.returncode == 0
        environment.replace_ended_workers()
        environment.end_fault()
        await environment.wait_for_mail(50)


async def rebalance_storm(environment: ChaosEnvironment) -> None:
    """Let workers join and leave the groups repeatedly."""
    environment.pipeline.start_worker()
    async with environment.continuous_load(30):
        await environment.wait_for_mail(20)
        for _ in range(5):
            joined = environment.pipeline.start_worker()
            await asyncio.sleep(environment.rng.uniform(3.0, 6.0))
            joined.send_signal(signal.SIGTERM)
            await asyncio.to_thread(joined.wait, 60)
        environment.end_fault()


async def workers_scaled(environment: ChaosEnvironment) -> None:
    """Let three workers join the first, and when each has done a part of every stage, stop three of the four."""
    pipeline = environment.pipeline
    probes = [await start_ready_worker(pipeline)]
    async with environment.continuous_load():
        await environment.wait_for_mail(100)
        probes += await asyncio.gather(*(start_ready_worker(pipeline) for _ in range(_JOINING)))
        idle: list[str] = []

        async def shared() -> bool:
            idle[:] = [name for n, probe in enumerate(probes, 1) for name in await _idle_stages(n, probe)]
            return not idle

        await eventually(shared, _SHARED_TIMEOUT_S, lambda: f"without work: {', '.join(idle)}")
        for worker in pipeline.workers[1:]:
            worker.terminate()
        codes = [await asyncio.to_thread(worker.wait, 60) for worker in pipeline.workers[1:]]
        assert codes == [0] * _JOINING
        environment.end_fault()
        await flows_again(environment)


async def _idle_stages(number: int, probe: str) -> list[str]:
    """Return the stages of a worker that have finished nothing."""
    async with httpx.AsyncClient() as client:
        stages = (await client.get(probe)).json()["stages"]
    return [f"{name} of worker {number}" for name in _USED_STAGES if not stages[name]["finished"]]
