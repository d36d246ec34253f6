"""All stages of one worker, their producer, and what they share, as one service."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol, runtime_checkable

import structlog

from service.model.record import Handler, Message
from streams.consumer.batch import ToDeadLetter
from streams.consumer.client import Subscription
from streams.consumer.health import StageHealth
from streams.consumer.limits import StageLimits
from streams.consumer.stage import BatchStage, ReadinessCheck
from streams.faults.points import Fault, kill_at
from streams.kafka import aiokafka_patches
from streams.kafka.connection import KafkaConnection
from streams.lifecycle import Service
from streams.producer.producer import Producer
from streams.topics import table as topics

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class StageSpec:
    """A row of the stage table. Topics are full names, the most urgent first; `pattern` adds to them.

    `handler` makes the handler; it is called once, in the running loop, after the worker's resources are open. The
    consumer group is the prefix and the name.
    """

    name: str
    topics: Sequence[str]
    handler: Callable[[], Handler]
    to_dead_letter: ToDeadLetter
    limits: StageLimits = field(default_factory=StageLimits)
    pattern: str | None = None
    readiness: ReadinessCheck | None = None


@runtime_checkable
class Waiting(Protocol):
    """A service beside the stages that may have to wait for a dependency."""

    name: str
    reason: str | None
    """Why it waits; None while it does not."""


Resources = Callable[[Producer, "Stages"], AbstractAsyncContextManager[Sequence[Service]]]
"""Opened before the stages and closed after them; yields further services that run as long as the stages do."""


class Stages(Service):
    """Starts producer, resources and stages in this order, and stops them in reverse."""

    name = "stages"

    def __init__(
        self,
        connection: KafkaConnection,
        prefix: str,
        specs: Sequence[StageSpec],
        *,
        producer: Callable[[], Producer],
        resources: Resources,
        fault: Fault,
    ) -> None:
        super().__init__()
        self.running: list[BatchStage] = []
        self.producer: Producer | None = None
        self._connection = connection
        self._prefix = prefix
        self._specs = specs
        self._make_producer = producer
        self._resources = resources
        self._fault = fault
        self._exit_stack = AsyncExitStack()
        self._services: list[Service] = []
        self._beside: Sequence[Service] = ()

    async def on_start(self) -> None:
        """Open the producer, the resources and the stages. Raise the error of a resource: the worker does not start."""
        self.producer = self._make_producer()
        self._exit_stack.push_async_callback(self.producer.stop)
        await self.producer.start()
        self._beside = await self._exit_stack.enter_async_context(self._resources(self.producer, self))
        self.running = [self._stage(spec, self.producer) for spec in self._specs]
        self._services = [*self.running, *self._beside]
        for service in self._services:
            await self.start_child(service)

    async def on_stop(self) -> None:
        """Let all stages drain at the same time, then close what they used.

        The producer is closed last: a stage that drains still publishes, and commits only what was acknowledged.
        """
        await asyncio.gather(*(service.stop() for service in self._services), return_exceptions=True)
        await self._exit_stack.aclose()
        for health in self.health():
            log.info("stage_stopped", stage=health.name, finished=health.finished, dead_letters=health.dead)

    def health(self) -> list[StageHealth]:
        """Return the health of every stage."""
        return [stage.health() for stage in self.running]

    def waits(self) -> Mapping[str, str | None]:
        """Return why each service that reads no topic waits; None for those that do not."""
        return {service.name: service.reason for service in self._beside if isinstance(service, Waiting)}

    def alive(self) -> bool:
        """Return whether every stage makes progress, has nothing to do, or knows the reason why it waits."""
        return all(stage.alive() for stage in self.running)

    def _stage(self, spec: StageSpec, producer: Producer) -> BatchStage:
        return BatchStage(
            spec.name,
            Subscription(self._connection, self._prefix + spec.name, spec.topics, spec.pattern),
            spec.handler(),
            spec.to_dead_letter,
            producer,
            limits=spec.limits,
            readiness=spec.readiness,
            fault=self._fault,
        )


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """The options of the stages of a worker.

    `prefix` goes before topic names and group ids. `fault_at` is for chaos tests. `acknowledged` is called with the
    messages that Kafka has acknowledged.
    """

    connection: KafkaConnection
    prefix: str = ""
    produce_timeout_s: float = 30.0
    fault_at: str = ""
    acknowledged: Callable[[Sequence[Message]], None] | None = None


@asynccontextmanager
async def no_resources(producer: Producer, stages: Stages) -> AsyncIterator[Sequence[Service]]:
    """Yield no services: for stages that need nothing but Kafka."""
    yield ()


def build_stages(
    options: WorkerOptions, specs: Sequence[StageSpec], resources: Resources = no_resources
) -> Stages:
    """Return the stages of a worker, whichever shell runs it."""
    aiokafka_patches.install()
    producer = partial(
        Producer,
        options.connection,
        timeout_s=options.produce_timeout_s,
        limits=topics.limits(options.prefix),
        acknowledged=options.acknowledged,
    )
    return Stages(
        options.connection,
        options.prefix,
        specs,
        producer=producer,
        resources=resources,
        fault=kill_at(options.fault_at),
    )
