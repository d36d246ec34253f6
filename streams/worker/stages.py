"""All stages of one worker, their producer, and what they share, as one service."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import faust

from service.model.record import Handler
from streams.consumer.batch import ToDeadLetter
from streams.consumer.client import Subscription
from streams.consumer.health import StageHealth
from streams.consumer.limits import StageLimits
from streams.consumer.stage import BatchStage, ReadinessCheck
from streams.faults.points import Fault
from streams.kafka.connection import KafkaConnection
from streams.producer.producer import Producer

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StageSpec:
    """A row of the table of stages. Topics are full names, the most urgent first; `pattern` adds to them.

    `handler` is called once, in the running loop, after the worker's resources are open. The group id is the prefix and
    the name.
    """

    name: str
    topics: Sequence[str]
    handler: Callable[[], Handler]
    to_dead_letter: ToDeadLetter
    limits: StageLimits = field(default_factory=StageLimits)
    pattern: str | None = None
    gate: ReadinessCheck | None = None


Resources = Callable[[Producer], AbstractAsyncContextManager[Sequence[faust.Service]]]
"""Opened before the stages and closed after them; yields further services that run as long as the stages do."""


class Stages(faust.Service):  # type: ignore[misc]  # faust has no usable types
    """Starts resources, producer and stages in this order, and stops them in the other."""

    def __init__(
        self,
        connection: KafkaConnection,
        prefix: str,
        specs: Sequence[StageSpec],
        *,
        producer: Callable[[], Producer],
        resources: Resources,
        fault: Fault,
        **service: Any,
    ) -> None:
        super().__init__(**service)
        self.running: list[BatchStage] = []
        self.producer: Producer | None = None
        self._connection = connection
        self._prefix = prefix
        self._specs = specs
        self._make_producer = producer
        self._resources = resources
        self._fault = fault
        self._open = AsyncExitStack()
        self._others: list[faust.Service] = []

    async def on_start(self) -> None:
        """Open everything. Raises what a resource raises: then the worker does not start."""
        self.producer = self._make_producer()
        self._open.push_async_callback(self.producer.stop)
        await self.producer.start()
        others = await self._open.enter_async_context(self._resources(self.producer))
        self.running = [self._stage(spec, self.producer) for spec in self._specs]
        self._others = [*self.running, *others]
        for service in self._others:
            await self.add_runtime_dependency(service)

    async def on_stop(self) -> None:
        """Let all stages drain at the same time, then close what they used."""
        await asyncio.gather(*(service.stop() for service in self._others), return_exceptions=True)
        await self._open.aclose()
        for health in self.health():
            log.info("%s: %d records finished, %d dead letters", health.name, health.finished, health.dead)

    def health(self) -> list[StageHealth]:
        """How every stage is."""
        return [stage.health() for stage in self.running]

    def alive(self) -> bool:
        """Whether every stage moves, rests, or knows what it waits for."""
        return all(stage.alive() for stage in self.running)

    def _stage(self, spec: StageSpec, producer: Producer) -> BatchStage:
        return BatchStage(
            spec.name,
            Subscription(self._connection, self._prefix + spec.name, spec.topics, spec.pattern),
            spec.handler(),
            spec.to_dead_letter,
            producer,
            limits=spec.limits,
            readiness=spec.gate,
            fault=self._fault,
            loop=self.loop,
            beacon=self.beacon,
        )
