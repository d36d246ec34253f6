"""A wall clock that jumps on the workers, as after a wrong NTP answer. Kafka and Redis keep theirs."""

import asyncio
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx

from service.dev.ports import free_port
from tests.chaos.environment import STAGES, ChaosEnvironment
from tests.support.wait import eventually

_MINUTE_S = 60
_BEFORE_JUMP = timedelta(minutes=40)
_AFTER_JUMP = timedelta(hours=4)


class ShiftedClock:
    """The workers' wall clock: libfaketime's where it is installed, else that of `tests.chaos.worker`.

    Neither touches the monotonic clock, as a real jump does not either.
    """

    def __init__(self, folder: Path) -> None:
        self.library = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
        self._file = folder / "clock"
        self.jump(0)

    @property
    def variables(self) -> Mapping[str, str]:
        """Return the variables for a worker's environment."""
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
        """Set the offset to the real time."""
        self.offset_s = offset_s
        new = self._file.with_suffix(".new")
        new.write_text(f"{offset_s:+d}\n")
        new.replace(self._file)


async def jumps(environment: ChaosEnvironment) -> None:
    """Shift the clock by 2 h, then to -1 h, under load; an event expires by the clock of the worker that checks it.

    Kafka refuses a record whose producer is over an hour ahead: the dispatch topics carry the broker's time.
    """
    with TemporaryDirectory(prefix="tocsin-clock-") as folder:
        clock, probes = ShiftedClock(Path(folder)), [free_port(), free_port()]
        environment.note = "clock by libfaketime" if clock.library else "clock by a wrapper"
        for port in probes:
            variables = {"TOCSIN_WORKER__METRICS_PORT": str(port), **clock.variables}
            environment.pipeline.start_worker(STAGES, module="tests.chaos.worker", **variables)  # type: ignore[arg-type]
        async with environment.continuous_load(20):
            await environment.wait_for_mail(50)
            await _publish_expiring(environment, sent=True)
            clock.jump(120 * _MINUTE_S)
            await _wait_until_applied(environment, clock)
            await _publish_expiring(environment, sent=False)
            clock.jump(-60 * _MINUTE_S)
            environment.end_fault()
            await _wait_until_applied(environment, clock)
            await _publish_expiring(environment, sent=True)
            await _check_liveness(probes)
        await environment.wait_until_settled(environment.published, 240)
        assert all(worker.poll() is None for worker in environment.pipeline.workers), "a worker has ended"


async def _publish_expiring(environment: ChaosEnvironment, *, sent: bool) -> None:
    """Publish events that expire, some before the time that the clock has jumped to; wait until they are settled."""
    now = datetime.now(UTC)
    early = [_expiring_event(environment, now + _BEFORE_JUMP, expected=sent) for _ in range(20)]
    late = [_expiring_event(environment, now + _AFTER_JUMP, expected=True) for _ in range(20)]
    await environment.publish(early + late)
    await environment.wait_until_settled([event["id"] for event in early + late], 240)


def _expiring_event(environment: ChaosEnvironment, at: datetime, *, expected: bool) -> dict[str, Any]:
    make = environment.expected_event if expected else environment.unexpected_event
    return make(expires=at.isoformat())


async def _wait_until_applied(environment: ChaosEnvironment, clock: ShiftedClock) -> None:
    """Wait until both workers write the shifted time: the last transitions of ten events in a row all carry it."""
    off_minutes: set[int] = set()

    async def applied() -> bool:
        nonlocal off_minutes
        events = [environment.expected_event() for _ in range(10)]
        await environment.publish(events)
        await environment.wait_until_settled([event["id"] for event in events], 240)
        offsets_s = [
            entry.newest_step.at_ms / 1000 - time.time()
            for event in events
            for entry in await environment.pipeline.entries(event["source"], event["id"])
        ]
        off_minutes = {round((offset_s - clock.offset_s) / 60) for offset_s in offsets_s}
        return off_minutes == {0}

    await eventually(applied, 240, lambda: f"minutes off the shifted clock: {off_minutes}")


async def _check_liveness(probes: list[int]) -> None:
    """Check that the jump made no watchdog report a stall."""
    async with httpx.AsyncClient() as client:
        answers = await asyncio.gather(*(client.get(f"http://127.0.0.1:{port}/livez") for port in probes))
    assert [answer.status_code for answer in answers] == [200, 200]
