"""Services of a worker: what each does between its start and its stop, and what follows when one fails.

This is plain asyncio, so that the order of starts and stops, and what a failure does, do not depend on the framework
that hosts them (`streams/shells`):

1. `run` starts the root service, which starts those below it.
2. It waits until the worker is to stop, or until a service has failed: a task of it has raised, or was cancelled by
   something other than its stop.
3. It stops the root, which stops those below it. A failure is raised only then, so that the others have drained.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from typing import Any

import structlog

log = structlog.get_logger(__name__)


class Service:
    """A part of a worker with tasks of its own. Subclasses override `on_start` and `on_stop`."""

    name = ""

    def __init__(self) -> None:
        self.failure: Exception | None = None
        """The first error of a task, here or below."""
        self.failed = asyncio.Event()
        self._stopping = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._parent: Service | None = None

    async def on_start(self) -> None:
        """Open what the service needs, and add its tasks. What it raises is the failure of the worker."""

    async def on_stop(self) -> None:
        """Drain, and close what was opened. It is called once, also after a start that failed or was cut short."""

    async def start(self) -> None:
        """Start."""
        await self.on_start()

    async def stop(self) -> None:
        """Stop, and cancel the tasks that are left. Another call does nothing."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        try:
            await self.on_stop()
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def start_child(self, child: "Service") -> None:
        """Start a service whose failure is also the failure of this one. Who starts it, stops it."""
        child._parent = self
        await child.start()

    def add_task(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run a coroutine as a task of this service, to the end or until the service has stopped."""
        task = asyncio.create_task(self._supervise(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    @property
    def should_stop(self) -> bool:
        """Return whether the service is to stop: tasks that repeat a step end then."""
        return self._stopping.is_set()

    async def sleep(self, seconds: float) -> None:
        """Sleep, until the service is to stop at most."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()

    def fail(self, error: Exception) -> None:
        """Fail, and with this all services above."""
        log.error("service_failed", service=self.name or type(self).__name__, exc_info=error)
        service: Service | None = self
        while service is not None:
            service.failure = service.failure or error
            service.failed.set()
            service = service._parent

    async def _supervise(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or not task.cancelling():  # aiokafka leaks cancellations of tasks that it ends
                self.fail(RuntimeError("a task was cancelled, and not by the stop of its service"))
        except SystemExit as error:  # uvicorn's, where its port is in use: the others must drain all the same
            self.fail(RuntimeError(f"a library wanted to end the process with exit code {error.code}"))
        except Exception as error:
            self.fail(error)


class ServiceGroup(Service):
    """Services that start one after the other, and stop in the same order: the last reports how the first drains."""

    name = "worker"

    def __init__(self, services: Sequence[Service]) -> None:
        super().__init__()
        self._services = services

    async def on_start(self) -> None:
        """Start each after the one before has started."""
        for service in self._services:
            await self.start_child(service)

    async def on_stop(self) -> None:
        """Stop each after the one before has stopped, whatever errors that had."""
        for service in self._services:
            try:
                await service.stop()
            except Exception:
                log.exception("service_stop_failed", service=service.name or type(service).__name__)


async def run(root: Service, stop: asyncio.Event) -> None:
    """Run a service, and all below it, until `stop` is set or one of them fails; stop them, then raise its error."""
    starting = root.add_task(root.start())
    ends = [asyncio.create_task(event.wait()) for event in (stop, root.failed)]
    try:
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    finally:
        # A start that waits for Kafka must not delay the stop.
        for task in (starting, *ends):
            task.cancel()
        await asyncio.gather(starting, *ends, return_exceptions=True)
        await root.stop()
    if root.failure is not None:
        raise root.failure
