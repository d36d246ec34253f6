"""Faust is the shell: the app, its worker and its service tree. What must not be lost runs in `BatchStage`."""

import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import faust

from service.model.record import Message
from streams.faults.points import kill_at
from streams.kafka.connection import KafkaConnection
from streams.producer.producer import Producer
from streams.topics import table as topics
from streams.worker.rates import Rates
from streams.worker.stages import Resources, Stages, StageSpec


@asynccontextmanager
async def no_resources(producer: Producer) -> AsyncIterator[Sequence[faust.Service]]:
    """For stages that need nothing but Kafka."""
    yield ()


def _scratch() -> Path:
    return Path(tempfile.gettempdir()) / "tocsin-faust"


@dataclass(frozen=True, slots=True)
class FaustOptions:
    """What the app needs beside its stages.

    `prefix` goes before topic names and group ids. `rates` adds the agent for live rates, which needs `partitions` as
    the outcomes topic has. `data` is where Faust keeps its own state, of no value. `fault_at` is for chaos tests.
    `acknowledged` is told what the producer has written.
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
    """Without agents Faust's own consumer would fail for want of a topic, and nobody would use its producer."""

    enable_kafka = False
    enable_web = False  # `faust worker` would turn it on, on all interfaces


class _WithAgents(faust.App.BootStrategy):  # type: ignore[misc]
    enable_web = False


class StagesApp(faust.App):  # type: ignore[misc]
    """A Faust app without agents: it runs our services, and waits for no table."""

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
    shell: FaustOptions, specs: Sequence[StageSpec], resources: Resources = no_resources
) -> StagesApp | RatesApp:
    """The app for `faust worker`. `app.stages` has the health of the stages, `app.rates` the live rates if wanted."""
    kind = RatesApp if shell.rates else StagesApp
    app = kind(f"{shell.prefix}tocsin", **_options(shell))
    producer = partial(
        Producer,
        shell.connection,
        timeout_s=shell.produce_timeout_s,
        limits=topics.limits(shell.prefix),
        acknowledged=shell.acknowledged,
    )
    app.stages = Stages(
        shell.connection,
        shell.prefix,
        specs,
        producer=producer,
        resources=resources,
        fault=kill_at(shell.fault_at),
    )
    app.service(app.stages)
    if shell.rates:
        app.rates = Rates(app, f"{shell.prefix}dispatch.outcomes", shell.partitions)
    return app


def _options(shell: FaustOptions) -> dict[str, Any]:
    return {
        "broker": [f"kafka://{address}" for address in shell.connection.bootstrap.split(",")],
        "broker_credentials": _credentials(shell.connection),
        "store": "memory://",
        "datadir": str(shell.data),
        "web_enabled": False,
        "topic_disable_leader": True,
        "topic_partitions": shell.partitions,
        "topic_replication_factor": shell.replication,
        "consumer_auto_offset_reset": "latest",
        "producer_request_timeout": 30.0,
        "worker_redirect_stdouts": False,
    }


def _credentials(connection: KafkaConnection) -> faust.SASLCredentials | faust.SSLCredentials | None:
    """aiokafka's security arguments as Faust wants them."""
    given = connection.security
    if str(given.get("security_protocol", "PLAINTEXT")).startswith("SASL"):
        return faust.SASLCredentials(
            username=given.get("sasl_plain_username"),
            password=given.get("sasl_plain_password"),
            ssl_context=given.get("ssl_context"),
            mechanism=given.get("sasl_mechanism", "PLAIN"),
        )
    return faust.SSLCredentials(given["ssl_context"]) if given.get("ssl_context") else None
