"""The line: which stage reads which topics and does what. One table, so that the wiring can be seen whole."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial

import faust

from service.bootstrap import Parts
from service.model.catalogue import Lane
from service.model.record import Handler, Message, Record
from service.model.topics import TABLES
from service.pipeline.email.schedule import Scheduler
from service.pipeline.messages import dead_letter
from streams.consumer.limits import StageLimits
from streams.kafka.connection import kafka_connection
from streams.producer.producer import Producer
from streams.worker.bounce_listener import BounceListener
from streams.worker.gate import ReadinessGate
from streams.worker.heartbeat import Heartbeat, PeriodicTask
from streams.worker.stages import StageSpec

STAGES = ("resolve", "inbox", "email", "schedule", "tables", "bounces", "rates")
"""What a worker can be told to run."""

_LANE_SHARE = {Lane.high: 4000, Lane.normal: 2000, Lane.bulk: 500}
"""Mails that each lane may have before the relays: what a burst in one can put before another."""


class UnknownStage(ValueError):
    """A stage that is not in the table."""


def specs(parts: Parts) -> list[StageSpec]:
    """The consuming stages of this worker."""
    wanted = _wanted(parts)
    kafka, topics = parts.settings.kafka, parts.topics
    found: list[StageSpec] = []
    if "resolve" in wanted:
        pattern = kafka.events_pattern or None
        found.append(_spec(parts, "resolve", kafka.events, parts.resolve, pattern=pattern))
    if "inbox" in wanted:
        found.append(_spec(parts, "inbox", (topics.inbox,), parts.deliver_inbox))
    if "email" in wanted:
        found += [
            _spec(
                parts,
                f"email.{lane}",
                (topics.email(lane),),
                parts.deliver_email,
                in_flight=_LANE_SHARE[lane],
            )
            for lane in Lane
        ]
    if "tables" in wanted:
        found.append(_spec(parts, "tables", [topics.table(name) for name in TABLES], parts.apply_tables))
    gate = gate_of(parts)
    return [replace(spec, gate=gate) for spec in found]


def gate_of(parts: Parts) -> ReadinessGate:
    """What lets stages run."""
    return ReadinessGate(parts.completeness, kafka_connection(parts.settings.kafka), parts.topics.prefix)


def _wanted(parts: Parts) -> Sequence[str]:
    wanted = parts.settings.worker.stages
    unknown = [name for name in wanted if name not in STAGES]
    if unknown:
        raise UnknownStage(f"unknown stage {', '.join(unknown)}; there are {', '.join(STAGES)}")
    return wanted


def _spec(
    parts: Parts,
    name: str,
    topics: Sequence[str],
    handler: Callable[[], Handler],
    *,
    pattern: str | None = None,
    in_flight: int = 5000,
) -> StageSpec:
    worker = parts.settings.worker
    limits = StageLimits(
        max_records=min(worker.max_records, in_flight),
        max_batches=worker.max_batches,
        max_in_flight=in_flight,
        drain_s=worker.drain,
        stalled_after_s=worker.stalled_after,
    )
    return StageSpec(
        name=name,
        topics=topics,
        handler=handler,
        to_dead_letter=partial(_poison, parts.topics.dead_letter, name),
        limits=limits,
        pattern=pattern,
    )


def _poison(topic: str, stage: str, record: Record, error: Exception) -> Sequence[Message]:
    return [dead_letter(topic, stage, record, error)]


@asynccontextmanager
async def resources(parts: Parts, producer: Producer) -> AsyncIterator[Sequence[faust.Service]]:
    """What the stages share: connections to relays and Redis, the pulse, the schedule."""
    wanted = _wanted(parts)
    services: list[faust.Service] = []
    if "email" in wanted:
        services.append(Heartbeat(parts.workers, parts.in_flight.owners))
        await parts.transport.start()
    if "schedule" in wanted:
        schedule = Scheduler(parts.due, producer, parts.topics, parts.clock)
        services.append(PeriodicTask("schedule", schedule.run_once, gate_of(parts)))
    if "bounces" in wanted:
        bounces = parts.bounces(producer)
        if bounces is None:
            raise UnknownStage("the stage bounces needs TOCSIN_MAIL__BOUNCE_DOMAIN")
        services.append(BounceListener(bounces, parts.settings.bounces))
    try:
        yield services
    finally:
        if "email" in wanted:
            await parts.transport.close(parts.settings.worker.drain)
        await parts.close()
