"""The order in which services start and stop, and what a failure does."""

import asyncio

import pytest
from structlog.testing import capture_logs

from streams.lifecycle import Service, ServiceGroup, run
from streams.shells.signals import StopSignals


class Recorder(Service):
    """Writes down what is done with it."""

    def __init__(self, name: str, log: list[str]) -> None:
        super().__init__()
        self.name = name
        self.log = log

    async def on_start(self) -> None:
        self.log.append(f"{self.name} started")

    async def on_stop(self) -> None:
        self.log.append(f"{self.name} stopped")


class Parent(Recorder):
    """Starts a child in its start, and stops it in its stop."""

    def __init__(self, name: str, log: list[str], child: Service) -> None:
        super().__init__(name, log)
        self.child = child

    async def on_start(self) -> None:
        await self.start_child(self.child)

    async def on_stop(self) -> None:
        await self.child.stop()
        await super().on_stop()


async def test_a_failure_below_stops_all_and_is_raised_afterwards() -> None:
    """However deep it is; the first error is raised."""
    log: list[str] = []
    child = Recorder("child", log)
    group = ServiceGroup([Parent("parent", log, child), Recorder("last", log)])

    async def fail(error: Exception) -> None:
        raise error

    running = asyncio.create_task(run(group, asyncio.Event()))
    await asyncio.sleep(0)
    while "last started" not in log:
        await asyncio.sleep(0)
    child.add_task(fail(OSError("the first")))
    child.add_task(fail(OSError("the second")))
    with pytest.raises(OSError, match="the first"):
        await running

    assert log == ["child started", "last started", "child stopped", "parent stopped", "last stopped"]


@pytest.mark.parametrize("error", [OSError("the port is in use"), SystemExit(3)])
async def test_a_start_that_fails_stops_what_had_started(error: BaseException) -> None:
    """Its error is that of the worker, also where a library would have ended the process."""
    log: list[str] = []

    class Broken(Recorder):
        async def on_start(self) -> None:
            raise error

    with pytest.raises((OSError, RuntimeError), match=r"in use|exit code 3"):
        await run(ServiceGroup([Recorder("first", log), Broken("broken", log)]), asyncio.Event())

    assert log == ["first started", "first stopped", "broken stopped"]


async def test_a_task_that_something_else_cancels_is_a_failure() -> None:
    """aiokafka leaks cancellations; a service that lost its task would do nothing."""

    class Losing(Service):
        async def on_start(self) -> None:
            self.add_task(self._lose())

        async def _lose(self) -> None:
            raise asyncio.CancelledError

    with pytest.raises(RuntimeError, match="cancelled"):
        await run(Losing(), asyncio.Event())


async def test_a_stop_that_fails_keeps_no_other_from_stopping() -> None:
    """It is logged. What the worker had to do was drained before."""
    log: list[str] = []

    class Stuck(Recorder):
        async def on_stop(self) -> None:
            raise OSError("it cannot be closed")

    stop = asyncio.Event()
    stop.set()
    group = ServiceGroup([Stuck("stuck", log), Recorder("last", log)])
    with capture_logs() as lines:
        await run(group, stop)

    assert log[-1] == "last stopped"
    assert [line["event"] for line in lines] == ["service_stop_failed"]


async def test_a_task_is_cancelled_once_its_service_has_stopped() -> None:
    """It sees the stop first, and is not cancelled before the drain has ended."""
    seen: list[str] = []

    class Draining(Service):
        async def on_start(self) -> None:
            self.add_task(self._wait())

        async def on_stop(self) -> None:
            await asyncio.sleep(0.01)
            seen.append("drained")

        async def _wait(self) -> None:
            try:
                await asyncio.sleep(3600)
            finally:
                seen.append(f"cancelled, {self.should_stop}")

    service, stop = Draining(), asyncio.Event()
    running = asyncio.create_task(run(service, stop))
    await asyncio.sleep(0.01)
    stop.set()
    await running
    await service.stop()

    assert seen == ["drained", "cancelled, True"]
    assert service.failure is None


async def test_a_sleep_ends_with_the_stop() -> None:
    """So a task that repeats a step ends by itself."""
    service = Service()
    await service.sleep(0.001)
    sleeping = asyncio.create_task(service.sleep(3600))
    await asyncio.sleep(0)
    await service.stop()

    await asyncio.wait_for(sleeping, 5)
    assert service.should_stop


def test_a_signal_that_is_repeated_within_a_second_is_one() -> None:
    """A later one ends the process."""
    now, done = [10.0], list[str]()
    signals = StopSignals(
        lambda: done.append("stop"), lambda code: done.append(f"end {code}"), lambda: now[0]
    )

    for now[0] in (10.0, 10.9, 12.0):
        signals.received()

    assert done == ["stop", "end 1"]
