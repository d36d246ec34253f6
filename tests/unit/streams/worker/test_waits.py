"""What waits in a worker beside the stages that read topics: readiness has the reason."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial

from service.ports import Unavailable
from streams.faults.points import no_fault
from streams.kafka.connection import KafkaConnection
from streams.lifecycle import Service
from streams.producer.producer import Producer
from streams.worker.heartbeat import PeriodicTask
from streams.worker.stages import Stages
from streams.worker.state_keeper import StateKeeperService
from tests.support.wait import eventually


class Dependency:
    """A dependency that is away for as long as `reason` is set."""

    reason: str | None = "redis: cannot connect"

    async def readiness(self) -> str | None:
        return self.reason

    async def tick(self) -> None:
        if self.reason is not None:
            raise Unavailable(self.reason)


async def step() -> int:
    return 0


async def close() -> None:
    """Nothing is open."""


async def test_services_without_topics_say_why_they_wait(free_port: int) -> None:
    """The scheduler, the bounce listener and the keeper of the state, until what they wait for is back."""
    dependency = Dependency()

    @asynccontextmanager
    async def resources(_: Producer, __: Stages) -> AsyncIterator[Sequence[Service]]:
        yield [
            PeriodicTask("schedule", step, dependency.readiness, idle_s=0.01),
            StateKeeperService(dependency, close),  # type: ignore[arg-type]  # it only ticks
            Service(),
        ]

    connection = KafkaConnection(f"127.0.0.1:{free_port}")
    stages = Stages(
        connection,
        "",
        (),
        producer=partial(Producer, connection, timeout_s=0.5),
        resources=resources,
        fault=no_fault,
    )
    await stages.start()
    try:
        reason = dependency.reason
        await eventually(lambda: stages.waits() == {"schedule": reason, "state_keeper": reason})
        dependency.reason = None
        await eventually(lambda: stages.waits() == {"schedule": None, "state_keeper": None})
    finally:
        await stages.stop()
