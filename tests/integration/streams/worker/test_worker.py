"""`faust worker` as a process of its own, stopped, killed and joined by others: every record comes out."""

import asyncio
import signal
from pathlib import Path

import pytest

from streams.faults.points import POINTS
from tests.integration.streams.rig import Rig, Worker

N = 3000


@pytest.fixture
async def rig(kafka: str) -> Rig:
    """Topics of this test's own, with records in them."""
    rig = Rig(kafka)
    await rig.create()
    async with rig.producer() as producer:
        await rig.feed(producer, range(N), keys=N)
    return rig


async def end(worker: Worker, how: signal.Signals = signal.SIGTERM) -> int:
    """End a worker without blocking the loop."""
    return await asyncio.to_thread(worker.end, how)


async def test_sigterm_in_mid_batch_loses_and_repeats_nothing(rig: Rig, tmp_path: Path) -> None:
    """A worker that receives SIGTERM ends its batches, commits and leaves; the next one continues where it ended."""
    first = Worker(rig, tmp_path / "first", RIG_DELAY="0.2")
    try:
        assert await rig.counted(rig.sink, 200)
    finally:
        assert await end(first) == 0
    between = await rig.count(rig.sink)
    assert 200 <= len(between) < N
    assert await rig.committed(rig.source) == len(between)

    second = Worker(rig, tmp_path / "second")
    try:
        numbers = await rig.counted(rig.sink, N)
    finally:
        assert await end(second) == 0
    assert numbers == dict.fromkeys(range(N), 1)


async def test_kill_with_a_slow_first_record_loses_nothing(rig: Rig, tmp_path: Path) -> None:
    """Record 0 never ends while all others do; after SIGKILL the next worker handles it."""
    first = Worker(rig, tmp_path / "first", RIG_STUCK="0")
    try:
        assert len(await rig.counted(rig.sink, N - 1)) == N - 1
    finally:
        await end(first, signal.SIGKILL)
    assert 0 not in await rig.count(rig.sink)

    second = Worker(rig, tmp_path / "second")
    try:
        numbers = await rig.counted(rig.sink, N)
    finally:
        await end(second)
    assert set(numbers) == set(range(N))


async def test_two_workers_that_join_and_are_killed_lose_nothing(rig: Rig, tmp_path: Path) -> None:
    """Workers join, are killed and are replaced while records are handled; the group ends with everything handled."""
    workers = [Worker(rig, tmp_path / "a", RIG_DELAY="0.1")]
    try:
        await rig.counted(rig.sink, 100)
        workers.append(Worker(rig, tmp_path / "b", RIG_DELAY="0.1"))
        await rig.counted(rig.sink, 800)
        await end(workers[0], signal.SIGKILL)
        workers.append(Worker(rig, tmp_path / "c", RIG_DELAY="0.1"))
        await rig.counted(rig.sink, 1600)
        await end(workers[1])
        workers.append(Worker(rig, tmp_path / "d"))
        numbers = await rig.counted(rig.sink, N)
    finally:
        for worker in workers:
            await end(worker)
    assert set(numbers) == set(range(N))
    assert await rig.committed(rig.source) == N


BUSY = [point for point in POINTS if not point.startswith(("after_failure", "after_revoke", "after_drain"))]


@pytest.mark.parametrize("point", BUSY)
async def test_kill_between_any_two_effects_loses_nothing(rig: Rig, tmp_path: Path, point: str) -> None:
    """Every record that a worker killed at a named point has not handled, the next one handles."""
    # Slow enough for three commits: without the delay, two may cover all records, and the point is not passed again.
    first = Worker(rig, tmp_path / "first", RIG_FAULT=f"{point}:3", RIG_DELAY="0.01")
    try:
        assert await asyncio.to_thread(first.process.wait, 60) == -signal.SIGKILL
    finally:
        await end(first, signal.SIGKILL)
    await finish(rig, tmp_path)


async def test_kill_while_leaving_the_group_loses_nothing(rig: Rig, tmp_path: Path) -> None:
    """A worker killed after its drain, before it could leave the group, has committed all that it had finished."""
    first = Worker(rig, tmp_path / "first", RIG_DELAY="0.05", RIG_FAULT="after_drain_before_leave")
    try:
        await rig.counted(rig.sink, 100)
        assert await end(first) == -signal.SIGKILL
    finally:
        await end(first, signal.SIGKILL)
    assert await rig.committed(rig.source) == len(await rig.count(rig.sink))
    await finish(rig, tmp_path)


async def test_kill_in_a_rebalance_loses_nothing(rig: Rig, tmp_path: Path) -> None:
    """A worker killed in a rebalance, before it could drain, leaves its records to the one that joined."""
    first = Worker(rig, tmp_path / "first", RIG_STUCK="0", RIG_FAULT="after_revoke_before_drain:2")
    second = None
    try:
        await rig.counted(rig.sink, 100)
        second = Worker(rig, tmp_path / "second")
        assert await asyncio.to_thread(first.process.wait, 60) == -signal.SIGKILL
        assert set(await rig.counted(rig.sink, N)) == set(range(N))
    finally:
        await end(first, signal.SIGKILL)
        if second:
            await end(second)


async def finish(rig: Rig, tmp_path: Path) -> None:
    """Run another worker until every record is in the sink."""
    second = Worker(rig, tmp_path / "second")
    try:
        numbers = await rig.counted(rig.sink, N)
    finally:
        await end(second)
    assert set(numbers) == set(range(N))
