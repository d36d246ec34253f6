"""The Faust app: it runs our services in its worker and service tree. Loss-free work runs in `BatchStage`."""

import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import faust

from service.model.record import Message
from service.model.topics import TopicNames
from streams.faults.points import kill_at
from streams.kafka import aiokafka_patches
from streams.kafka.connection import KafkaConnection
from streams.producer.producer import Producer
from streams.topics import table as topics
from streams.worker.rates import Rates
from streams.worker.stages import Resources, Stages, StageSpec


@asynccontextmanager
async def no_resources(producer: Producer, stages: Stages) -> AsyncIterator[Sequence[faust.Service]]:
    """Yield no services: for stages that need nothing but Kafka."""
    yield ()


def _scratch() -> Path:
    return Path(tempfile.gettempdir()) / "tocsin-faust"


@dataclass(frozen=True, slots=True)
class FaustOptions:
    """The options of the app, beside its stages.

    `prefix` goes before topic names and group ids. `rates` adds the agent for live rates, which needs the number of
    `partitions` of the outcomes topic. `data` is the folder of Faust's own state, which may be lost. `fault_at` is for
    chaos tests. `acknowledged` is called with the messages that Kafka has acknowledged.
    """

    connection: KafkaConnection
    prefix: str = ""
    rates: bool = False
    partitions: int = 6
    replication: int = 1
    produce_timeout_s: float = 30.0
    data: Path = field(default_factory=_scratch)
    fault_at: str = ""
    acknowledged: Callable[[Sequence[Message]], None] | None = None


class _WithoutAgents(faust.App.BootStrategy):  # type: ignore[misc]  # faust has no usable types
    """Without agents Faust's own consumer would fail because it has no topic, and its producer would be unused."""

    enable_kafka = False
    enable_web = False  # `faust worker` would turn it on, on all interfaces


class _WithAgents(faust.App.BootStrategy):  # type: ignore[misc]
    enable_web = False


class StagesApp(faust.App):  # type: ignore[misc]
    """A Faust app without agents: it runs our services and waits for no table."""

    BootStrategy = _WithoutAgents
    producer_only = True
    stages: Stages
    rates: Rates | None = None


class RatesApp(faust.App):  # type: ignore[misc]
    """A Faust app with an agent beside our services."""

    BootStrategy = _WithAgents
    stages: Stages
    rates: Rates | None = None


def build_app(
    options: FaustOptions, specs: Sequence[StageSpec], resources: Resources = no_resources
) -> StagesApp | RatesApp:
    """Return the app for `faust worker`.

    `app.stages` has the health of the stages, `app.rates` the live rates where the options ask for them.
    """
    aiokafka_patches.install()  # before Faust makes a consumer
    app_class = RatesApp if options.rates else StagesApp
    app = app_class(f"{options.prefix}tocsin", **_faust_settings(options))
    producer = partial(
        Producer,
        options.connection,
        timeout_s=options.produce_timeout_s,
        limits=topics.limits(options.prefix),
        acknowledged=options.acknowledged,
    )
    app.stages = Stages(
        options.connection,
        options.prefix,
        specs,
        producer=producer,
        resources=resources,
        fault=kill_at(options.fault_at),
    )
    app.service(app.stages)
    if options.rates:
        app.rates = Rates(app, TopicNames(options.prefix), options.partitions)
    return app


def _faust_settings(options: FaustOptions) -> dict[str, Any]:
    return {
        "broker": [f"kafka://{address}" for address in options.connection.bootstrap.split(",")],
        "broker_credentials": _credentials(options.connection),
        "store": "memory://",
        "datadir": str(options.data),
        "web_enabled": False,
        "topic_disable_leader": True,
        "topic_partitions": options.partitions,
        "topic_replication_factor": options.replication,
        "consumer_auto_offset_reset": "latest",
        "producer_request_timeout": 30.0,
        "worker_redirect_stdouts": False,
    }


def _credentials(connection: KafkaConnection) -> faust.SASLCredentials | faust.SSLCredentials | None:
    """Return aiokafka's security arguments in Faust's form."""
    security = connection.security
    if str(security.get("security_protocol", "PLAINTEXT")).startswith("SASL"):
        return faust.SASLCredentials(
            username=security.get("sasl_plain_username"),
            password=security.get("sasl_plain_password"),
            ssl_context=security.get("ssl_context"),
            mechanism=security.get("sasl_mechanism", "PLAIN"),
        )
    return faust.SSLCredentials(security["ssl_context"]) if security.get("ssl_context") else None
