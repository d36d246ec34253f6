"""What Workers promises."""

import asyncio

from tests.specs.backend import Backend


async def test_a_worker_lives_while_it_beats(backend: Backend) -> None:
    """A worker is alive from a beat on, until its time is over; one that never beat is not."""
    await backend.workers.beat("host-1", 60)
    await backend.workers.beat("host-2", 0.05)

    assert list(await backend.workers.alive(["host-1", "nobody"])) == [True, False]
    backend.clock.advance(100)
    async with asyncio.timeout(30):
        while (await backend.workers.alive(["host-2"]))[0]:
            await asyncio.sleep(0.01)
    assert list(await backend.workers.alive(["host-1", "host-2"])) == [True, False]
    assert list(await backend.workers.alive([])) == []
