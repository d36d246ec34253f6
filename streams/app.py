"""The assembly of a worker: the app that `faust -A streams.app worker` runs, with the stages that the settings name."""

from functools import partial
from typing import Any

from structlog.contextvars import bind_contextvars

from service.bootstrap.parts import Parts, bootstrap
from service.bootstrap.reload import CurrentParts
from service.model.topics import TopicNames
from service.settings import Settings, load
from streams.faults.points import kill_at
from streams.faults.ports import with_fault_points
from streams.kafka.connection import kafka_connection
from streams.observability.counters import MessageCounters
from streams.observability.probe import Probe
from streams.observability.tracing import with_tracing
from streams.worker.faust_app import FaustOptions, RatesApp, StagesApp, build_app
from streams.worker.report import WorkerStatus
from streams.worker.stage_table import resources, specs


def faust_options(settings: Settings) -> FaustOptions:
    """Return the Faust options of the settings. Raise OSError when a certificate file cannot be used."""
    kafka = settings.kafka
    return FaustOptions(
        kafka_connection(kafka),
        kafka.prefix,
        rates="rates" in settings.worker.stages,
        partitions=kafka.partitions,
        replication=kafka.replication,
        fault_at=settings.fault_at,
        acknowledged=MessageCounters(TopicNames(kafka.prefix), settings.worker.stages),
    )


def app_of(parts: Parts) -> StagesApp | RatesApp:
    """Return the app of one worker, with its probe. Raise UnknownStage or TracingUnavailable."""
    settings = parts.settings
    bind_contextvars(worker=parts.worker)  # in every log line of this process
    if settings.fault_at:
        parts = with_fault_points(parts, kill_at(settings.fault_at))
    current = CurrentParts(parts)
    stages = specs(current)
    if (tracer := parts.tracer()) is not None:
        stages = [with_tracing(spec, tracer, parts.topics) for spec in stages]
    status = WorkerStatus(current)
    app = build_app(faust_options(settings), stages, partial(resources, current, status))
    if settings.worker.metrics_port:
        app.service(Probe(app, parts, status, settings.worker.metrics_host, settings.worker.metrics_port))
    return app


def __getattr__(name: str) -> Any:
    """Return `app`, made when Faust looks it up, so that importing this module reads no settings."""
    if name != "app":
        raise AttributeError(name)
    made = globals()["app"] = app_of(bootstrap(load()))
    return made
