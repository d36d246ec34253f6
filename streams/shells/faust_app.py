"""The Faust app, which hosts our services in its worker. Loss-free work runs in `BatchStage`, not in agents."""

import asyncio
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import faust
import mode.loop

from service.model.topics import TopicNames
from streams.kafka import aiokafka_patches
from streams.kafka.connection import KafkaConnection
from streams.lifecycle import Service, run
from streams.shells.signals import StopSignals
from streams.worker.rates import WINDOW_S, state_and_type

_KEPT_S = 900.0


def _scratch() -> Path:
    return Path(tempfile.gettempdir()) / "tocsin-faust"


@dataclass(frozen=True, slots=True)
class FaustOptions:
    """The options of the app.

    `prefix` goes before topic names and group ids. `rates` adds the agent for live rates, which needs the number of
    `partitions` of the outcomes topic. `data` is the folder of Faust's own state, which may be lost.
    """

    connection: KafkaConnection
    prefix: str = ""
    rates: bool = False
    partitions: int = 6
    replication: int = 1
    data: Path = field(default_factory=_scratch)


class _WithoutAgents(faust.App.BootStrategy):  # type: ignore[misc]  # faust has no usable types
    """Without agents Faust's own consumer would fail because it has no topic, and its producer would be unused."""

    enable_kafka = False
    enable_web = False  # `faust worker` would turn it on, on all interfaces


class _WithAgents(faust.App.BootStrategy):  # type: ignore[misc]
    enable_web = False


class ServicesApp(faust.App):  # type: ignore[misc]
    """A Faust app without agents: it runs our services and waits for no table."""

    BootStrategy = _WithoutAgents
    producer_only = True
    rates: "FaustRates | None" = None


class RatesApp(faust.App):  # type: ignore[misc]
    """A Faust app with an agent beside our services."""

    BootStrategy = _WithAgents
    rates: "FaustRates | None" = None


class _Host(faust.Service):  # type: ignore[misc]
    """Our services as one of Faust's: their failure crashes it, and so ends the worker."""

    def __init__(self, root: Service, **service: Any) -> None:
        super().__init__(**service)
        self._root = root
        self._halt = asyncio.Event()
        self._running: asyncio.Future[Any] | None = None

    async def on_start(self) -> None:
        """Begin; return before the services have started."""
        self._running = self.add_future(run(self._root, self._halt))

    async def on_stop(self) -> None:
        """Let them drain, for as long as that takes."""
        self._halt.set()
        if self._running is not None:
            await asyncio.wait([self._running])


class _Worker(faust.Worker):  # type: ignore[misc]
    """Faust's worker, which a second signal ends at once."""

    def __init__(self, app: faust.App, **options: Any) -> None:
        super().__init__(app, override_logging=False, **options)
        self.spinner = None  # it would write terminal codes into the log
        self._signals = StopSignals(super()._on_sigterm)

    def _on_sigint(self) -> None:
        self._signals.received()

    def _on_sigterm(self) -> None:
        self._signals.received()


class FaustRates:
    """The LiveRates of an app: a windowed table in memory, fed by an agent, and kept by its changelog topic.

    Workers with this agent share the partitions: each counts its part.
    """

    def __init__(self, app: faust.App, topics: TopicNames, partitions: int) -> None:
        self._window = faust.TumblingWindow(WINDOW_S, expires=_KEPT_S)
        # Faust requires the number of partitions of the topics that feed it.
        table = app.Table("rates", default=int, partitions=partitions)
        self._table = table.using_window(self._window, key_index=True)
        names = [topics.outcomes, *sorted(topics.dispatches())]
        source = app.topic(
            *names, value_type=bytes, value_serializer="raw", key_type=bytes, key_serializer="raw"
        )
        app.agent(source, name="rates")(self._count)

    async def _count(self, stream: Any) -> None:
        async for value in stream:
            if (counted := state_and_type(value)) is not None:
                self._table["/".join(counted)] += 1

    def last_minute(self) -> Mapping[tuple[str, str], int]:
        """Return the outcomes by (state, type) of the current minute and the full one before it."""
        now_s = time.time()
        windows = self._window.current(now_s), self._window.current(now_s - WINDOW_S)
        rates = {}
        for key in list(self._table):
            state, _, notification_type = key.partition("/")
            rates[state, notification_type] = sum(self._table[key][window] for window in windows)
        return rates


def build_app(options: FaustOptions) -> ServicesApp | RatesApp:
    """Return an app for `faust worker`, without services. `app.rates` has the live rates, if there are to be any."""
    aiokafka_patches.install()  # before Faust makes a consumer
    app_class = RatesApp if options.rates else ServicesApp
    app = app_class(f"{options.prefix}tocsin", **_faust_settings(options))
    if options.rates:
        app.rates = FaustRates(app, TopicNames(options.prefix), options.partitions)
    return app


def choose_loop() -> None:
    """Use uvloop for every event loop of this process from now on."""
    mode.loop.use("uvloop")


def host(app: faust.App, root: Service) -> None:
    """Have the app run these services, between its start and its stop."""
    app.service(_Host(root))


def run_app(app: faust.App, log_level: str) -> None:
    """Run the app until SIGTERM or Ctrl-C. Raise SystemExit: 1 when a service has failed."""
    _Worker(app, loglevel=log_level, redirect_stdouts=False, quiet=True).execute_from_commandline()


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
