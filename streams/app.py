"""The assembly of a worker, and the app that `faust -A streams.app worker` runs, with the stages of the settings."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from structlog.contextvars import bind_contextvars

from service.bootstrap.parts import Parts, bootstrap
from service.bootstrap.reload import CurrentParts
from service.model.topics import TopicNames
from service.settings import Settings, load
from streams.faults.points import kill_at
from streams.faults.ports import with_fault_points
from streams.kafka.connection import kafka_connection
from streams.lifecycle import Service, ServiceGroup
from streams.observability.counters import MessageCounters
from streams.observability.probe import Probe
from streams.observability.tracing import with_tracing
from streams.worker.rates import FollowedRates, LiveRates
from streams.worker.report import WorkerStatus
from streams.worker.stage_table import resources, specs
from streams.worker.stages import WorkerOptions, build_stages

if TYPE_CHECKING:
    from streams.shells.faust_app import RatesApp, ServicesApp


def worker_options(settings: Settings) -> WorkerOptions:
    """Return the options of the stages. Raise OSError when a certificate file cannot be used."""
    kafka = settings.kafka
    return WorkerOptions(
        kafka_connection(kafka),
        kafka.prefix,
        fault_at=settings.fault_at,
        acknowledged=MessageCounters(TopicNames(kafka.prefix), settings.worker.stages),
    )


def services_of(parts: Parts, rates: LiveRates | None, beside: Sequence[Service] = ()) -> Service:
    """Return the services of one worker: its stages, what is beside them, and its probe, which shows the rates.

    Raise UnknownStage or TracingUnavailable.
    """
    settings = parts.settings
    bind_contextvars(worker=parts.worker)  # in every log line of this process
    if settings.fault_at:
        parts = with_fault_points(parts, kill_at(settings.fault_at))
    current = CurrentParts(parts)
    rows = specs(current)
    if (tracer := parts.tracer()) is not None:
        rows = [with_tracing(spec, tracer, parts.topics) for spec in rows]
    status = WorkerStatus(current)
    stages = build_stages(worker_options(settings), rows, partial(resources, current, status, beside))
    probe = [Probe(stages, rates, parts, status)] if settings.worker.metrics_port else []
    return ServiceGroup([stages, *probe])


def asyncio_services(parts: Parts) -> Service:
    """Return the services of a worker without Faust. Raise UnknownStage or TracingUnavailable."""
    if "rates" not in parts.settings.worker.stages:
        return services_of(parts, None)
    rates = FollowedRates(kafka_connection(parts.settings.kafka), parts.topics)
    return services_of(parts, rates, [rates])


def faust_app(parts: Parts) -> "ServicesApp | RatesApp":
    """Return the Faust app of a worker, with its services. Raise UnknownStage or TracingUnavailable."""
    from streams.shells.faust_app import FaustOptions, build_app, host  # noqa: PLC0415 - only this shell needs Faust

    settings = parts.settings
    options = FaustOptions(
        kafka_connection(settings.kafka),
        settings.kafka.prefix,
        rates="rates" in settings.worker.stages,
        partitions=settings.kafka.partitions,
        replication=settings.kafka.replication,
    )
    app = build_app(options)
    host(app, services_of(parts, app.rates))
    return app


def __getattr__(name: str) -> Any:
    """Return `app`, made when Faust looks it up, so that importing this module reads no settings."""
    if name != "app":
        raise AttributeError(name)
    made = globals()["app"] = faust_app(bootstrap(load()))
    return made
