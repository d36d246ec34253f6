"""The stage table: which stage reads which topics with which handler. One table, so that the wiring is in one place."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial

import structlog

from service.bootstrap.parts import Parts, connections
from service.bootstrap.reload import CurrentParts, Reloader, reloading
from service.model.catalogue import Lane
from service.model.record import Handler, Message, Record
from service.model.topics import TABLES
from service.pipeline.email.schedule import Scheduler
from service.pipeline.messages import dead_letter
from service.pipeline.resolve import strict_json
from streams.consumer.limits import StageLimits
from streams.kafka.connection import kafka_connection
from streams.kafka.record_batches import MAX_RECORD_BYTES
from streams.lifecycle import Service
from streams.producer.producer import Producer
from streams.worker.heartbeat import PeriodicTask, RelayDrain, heartbeats
from streams.worker.report import WorkerStatus, reported
from streams.worker.stages import Stages, StageSpec
from streams.worker.state_keeper import state_keeper

log = structlog.get_logger(__name__)

STAGES = ("resolve", "inbox", "email", "schedule", "tables", "bounces", "rates")
"""The stages that a worker can run (TOCSIN_WORKER__STAGES)."""

_LANE_IN_FLIGHT = {Lane.high: 4000, Lane.normal: 2000, Lane.bulk: 500}
"""Messages of a lane that may wait at the relays: the most that a burst in one lane can put before another."""


_STORE_S = 5.0
"""Stages drain so much longer than the relays: to store what the relays said, or did not say in time."""
_REBALANCE_DRAIN_S = 20.0


class UnknownStage(ValueError):
    """A stage that is not in the table."""


def specs(current: CurrentParts) -> list[StageSpec]:
    """Return the consuming stages of this worker. Raise UnknownStage."""
    parts = current.parts
    names = _stage_names(parts)
    kafka, topics = parts.settings.kafka, parts.topics
    table: list[StageSpec] = []
    if "resolve" in names:
        pattern = kafka.events_pattern or None
        table.append(
            _spec(
                current,
                "resolve",
                kafka.events,
                Parts.resolve,
                pattern=pattern,
                max_record_bytes=strict_json.MAX_BYTES,
            )
        )
    if "inbox" in names:
        table.append(_spec(current, "inbox", (topics.inbox,), Parts.deliver_inbox))
    if "email" in names:
        table += [
            _spec(
                current,
                f"email.{lane}",
                (topics.email(lane),),
                Parts.deliver_email,
                in_flight=_LANE_IN_FLIGHT[lane],
            )
            for lane in Lane
        ]
    if "tables" in names:
        names_of_tables = [topics.table(name) for name in TABLES]
        table.append(_spec(current, "tables", names_of_tables, Parts.apply_tables))
    return [replace(spec, readiness=parts.completeness.incomplete) for spec in table]


def _stage_names(parts: Parts) -> Sequence[str]:
    names = parts.settings.worker.stages
    unknown = [name for name in names if name not in STAGES]
    if unknown:
        raise UnknownStage(f"unknown stage {', '.join(unknown)}; there are {', '.join(STAGES)}")
    return names


def _spec(
    current: CurrentParts,
    name: str,
    topics: Sequence[str],
    make: Callable[[Parts], Handler],
    *,
    pattern: str | None = None,
    in_flight: int = 5000,
    max_record_bytes: int = MAX_RECORD_BYTES,
) -> StageSpec:
    worker = current.parts.settings.worker
    limits = StageLimits(
        max_records=min(worker.max_records, in_flight),
        max_batches=worker.max_batches,
        max_in_flight=in_flight,
        max_record_bytes=max_record_bytes,
        drain_s=worker.drain + _STORE_S,
        rebalance_drain_s=min(worker.drain, _REBALANCE_DRAIN_S),
        stalled_after_s=worker.stalled_after,
    )
    return StageSpec(
        name=name,
        topics=topics,
        handler=partial(current.handler, make),
        to_dead_letter=partial(_to_dead_letter, current.parts.topics.dead_letter, name),
        limits=limits,
        pattern=pattern,
    )


def _to_dead_letter(topic: str, stage: str, record: Record, error: Exception) -> Sequence[Message]:
    return [dead_letter(topic, stage, record, error)]


async def _nothing() -> int:
    return 0


@asynccontextmanager
async def resources(
    current: CurrentParts, status: WorkerStatus, beside: Sequence[Service], producer: Producer, stages: Stages
) -> AsyncIterator[Sequence[Service]]:
    """Open what the stages share: relays, heartbeat, scheduler, bounce listener, reloads. Close it at the end.

    `beside`: further services that run as long as the stages do.
    """
    parts = current.parts
    names = _stage_names(parts)
    log.info("worker_started", stages=list(names), **connections(parts.settings))
    services: list[Service] = [state_keeper(current, kafka_connection(parts.settings.kafka)), *beside]
    if "email" in names:
        await parts.transport.start()
        services.append(RelayDrain(parts.transport, parts.settings.worker.drain))
    if "schedule" in names:
        scheduler = Scheduler(parts.due, producer, parts.topics, parts.clock)
        services.append(PeriodicTask("schedule", scheduler.run_once, parts.completeness.incomplete))
    if "bounces" in names:
        bounces = parts.bounces(producer)
        if bounces is None:
            raise UnknownStage("the stage bounces needs TOCSIN_MAIL__BOUNCE_DOMAIN")
        from streams.worker.bounce_listener import BounceListener  # noqa: PLC0415 - no other stage needs its server

        services.append(BounceListener(bounces, parts.settings.bounces))
        # the listener works when it is sent something; this says whether it would have to defer it
        services.append(PeriodicTask("bounces", _nothing, parts.completeness.incomplete, idle_s=1.0))
    async with AsyncExitStack() as closing:
        closing.push_async_callback(parts.close)
        await closing.enter_async_context(reported(parts, partial(status.report, stages)))
        await closing.enter_async_context(reloading(Reloader(current, renders=parts.settings.worker.renders)))
        if "email" in names:
            # To the very end: while the stages drain, the claims of the messages at the relays need a heartbeat, or
            # another worker takes them over and sends the messages too.
            await closing.enter_async_context(heartbeats(parts.workers, parts.in_flight))
            closing.push_async_callback(parts.transport.close, 0)
        yield services
