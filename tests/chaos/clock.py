"""The wall clock of the workers jumps, as after a wrong NTP answer. Kafka and Redis keep theirs."""

import asyncio
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx

from service.dev.ports import free_port
from tests.chaos.environment import STAGES, World
from tests.support.wait import eventually

_MINUTE = 60
_SOON = timedelta(minutes=40)
_LATE = timedelta(hours=4)


class Clock:
    """The workers' wall clock: libfaketime's where it is installed, else that of `tests.chaos.worker`.

    Neither touches the monotonic clock: a real jump does not either.
    """

    def __init__(self, folder: Path) -> None:
        self.library = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
        self._file = folder / "clock"
        self.jump(0)

    @property
    def variables(self) -> Mapping[str, str]:
        """For a worker's environment."""
        if self.library is None:
            return {"TOCSIN_CHAOS_CLOCK": str(self._file)}
        return {
            "LD_PRELOAD": str(self.library),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
        }

    def jump(self, offset_s: int) -> None:
        """From now on it is off by so much."""
        self.offset_s = offset_s
        fresh = self._file.with_suffix(".new")
        fresh.write_text(f"{offset_s:+d}\n")
        fresh.replace(self._file)


async def jumps(world: World) -> None:
    """On by 2 h, and back to -1 h, in mid-load; an event expires by the clock that looks at it.

    Kafka refuses a record whose writer's time is over an hour ahead: the dispatch topics take the broker's.
    """
    with TemporaryDirectory(prefix="tocsin-clock-") as folder:
        clock, probes = Clock(Path(folder)), [free_port(), free_port()]
        world.note = "clock by libfaketime" if clock.library else "clock by a wrapper"
        for port in probes:
            variables = {"TOCSIN_WORKER__METRICS_PORT": str(port), **clock.variables}
            world.line.start_worker(STAGES, module="tests.chaos.worker", **variables)  # type: ignore[arg-type]
        async with world.flow(20):
            await world.mailed(50)
            await _expiring(world, sent=True)
            clock.jump(120 * _MINUTE)
            await _seen(world, clock)
            await _expiring(world, sent=False)
            clock.jump(-60 * _MINUTE)
            world.healed()
            await _seen(world, clock)
            await _expiring(world, sent=True)
            await _alive(probes)
        await world.settled(world.published, 240)
        assert all(worker.poll() is None for worker in world.line.workers), "a worker did not bear it"


async def _expiring(world: World, *, sent: bool) -> None:
    """Events that expire, some of them sooner than the clock has jumped; wait until they are settled."""
    now = datetime.now(UTC)
    soon = [_ending(world, now + _SOON, expected=sent) for _ in range(20)]
    late = [_ending(world, now + _LATE, expected=True) for _ in range(20)]
    await world.publish(soon + late)
    await world.settled([event["id"] for event in soon + late], 240)


def _ending(world: World, at: datetime, *, expected: bool) -> dict[str, Any]:
    make = world.event if expected else world.unexpected
    return make(expires=at.isoformat())


async def _seen(world: World, clock: Clock) -> None:
    """Wait until both workers mark by the clock as it is now: ten events in a row have only such marks."""
    off_s: set[int] = set()

    async def jumped() -> bool:
        nonlocal off_s
        events = [world.event() for _ in range(10)]
        await world.publish(events)
        await world.settled([event["id"] for event in events], 240)
        steps = [
            entry.steps[0].at_ms / 1000 - time.time()
            for event in events
            for entry in await world.line.entries(event["source"], event["id"])
        ]
        off_s = {round((step - clock.offset_s) / 60) for step in steps}
        return off_s == {0}

    await eventually(jumped, 240, lambda: f"minutes beside the clock: {off_s}")


async def _alive(probes: list[int]) -> None:
    """No watchdog was woken by the wall clock."""
    async with httpx.AsyncClient() as client:
        answers = await asyncio.gather(*(client.get(f"http://127.0.0.1:{port}/livez") for port in probes))
    assert [answer.status_code for answer in answers] == [200, 200]
