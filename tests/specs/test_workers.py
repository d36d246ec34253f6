"""Spec of the Workers port."""

import asyncio

from tests.specs.backend import Backend


async def test_a_heartbeat_expires(backend: Backend) -> None:
    """An owner has a heartbeat until its TTL is over; one that never sent any has none."""
    assert await backend.workers.heartbeat(["host-1"], 60) == [False]
    assert await backend.workers.heartbeat(["host-1", "host-4"], 60) == [True, False]
    await backend.workers.heartbeat(["host-2", "host-3"], 0.05)

    assert list(await backend.workers.have_heartbeat(["host-1", "unknown"])) == [True, False]
    backend.clock.advance(100)
    async with asyncio.timeout(30):
        while (await backend.workers.have_heartbeat(["host-2"]))[0]:
            await asyncio.sleep(0.01)
    assert list(await backend.workers.have_heartbeat(["host-1", "host-2", "host-3"])) == [True, False, False]
    assert list(await backend.workers.have_heartbeat([])) == []
