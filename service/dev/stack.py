"""The embedded stack: every part started in order, ended in reverse, none left behind."""

import asyncio
import shutil
import tempfile
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path

from pydantic import SecretStr

from service.bootstrap import Parts, bootstrap
from service.dev.catcher import Catcher
from service.dev.embedded import EmbeddedServer
from service.dev.kafka import EmbeddedKafka
from service.dev.ports import free_port
from service.dev.processes import ProcessRole
from service.dev.seeding import seed
from service.dev.valkey import EmbeddedValkey
from service.settings import DEV_SECRET, Settings
from streams.kafka.connection import kafka_connection
from streams.producer.producer import Producer
from streams.reader.rebuild import rebuild
from streams.topics import table as topics
from streams.worker.stage_table import gate_of

Say = Callable[[str], None]


class DevStack:
    """Starts what the settings do not place elsewhere. `say` is told each step in a line.

    `directory` None: everything is in a temporary folder that goes at the end.
    """

    def __init__(self, settings: Settings, directory: Path | None, say: Say) -> None:
        self.settings = settings.model_copy(update={"mode": "dev"})
        self.catcher: Catcher | None = None
        self._say = say
        self._keep = directory
        self._open = AsyncExitStack()

    @property
    def http_url(self) -> str:
        """Of the API."""
        return f"http://127.0.0.1:{self.settings.http.port}"

    async def start(self) -> Parts:
        """Start everything; returns the ports on it. Raises DevStackError with one clear line."""
        directory = self._keep or Path(tempfile.mkdtemp(prefix="tocsin-"))
        if self._keep is None:
            self._open.callback(shutil.rmtree, directory, ignore_errors=True)
        await self._start_servers(directory)
        parts = bootstrap(self.settings)
        self._open.push_async_callback(parts.store.close)
        producer = Producer(kafka_connection(self.settings.kafka))
        await producer.start()
        self._open.push_async_callback(producer.stop)
        await self._prepare(parts, producer)
        await self._start_roles(directory)
        return parts

    async def stop(self) -> None:
        """End everything, in reverse; harmless when nothing runs."""
        await self._open.aclose()

    async def _start_servers(self, directory: Path) -> None:
        """Broker and Redis side by side, since the broker takes seconds; the catcher in this process."""
        dev, embedded = self.settings.dev, self.settings.embedded
        starting: list[EmbeddedServer] = []
        if "redis" in embedded:
            valkey = EmbeddedValkey(directory / "valkey", dev.redis_port)
            self.settings.redis.url = SecretStr(valkey.url)
            starting.append(valkey)
        if "kafka" in embedded:
            kafka = EmbeddedKafka(directory / "kafka", dev.kafka_port, progress=self._say)
            self.settings.kafka.bootstrap = kafka.bootstrap
            starting.append(kafka)
        if "smtp" in embedded:
            self.catcher = Catcher(dev.smtp_port, dev.mail_port)
            await self.catcher.start()
            self._open.push_async_callback(self.catcher.stop)
            self.settings.smtp.port = self.catcher.smtp_port
        self._say("starting " + ", ".join(type(part).__name__.removeprefix("Embedded") for part in starting))
        await self._begin(*starting)

    async def _start_roles(self, directory: Path) -> None:
        worker = ProcessRole("worker", free_port(), directory, {})
        variables = self._variables(worker.port)
        worker = ProcessRole("worker", worker.port, directory, variables)
        api = ProcessRole("api", self.settings.http.port, directory, variables)
        self._say("starting the stages and the API")
        await self._begin(worker, api)

    async def _begin(self, *parts: EmbeddedServer) -> None:
        """Start parts side by side. What has started is ended again also when another one fails."""
        for part in parts:
            self._open.push_async_callback(asyncio.to_thread, part.stop)
        outcomes = await asyncio.gather(*(asyncio.to_thread(p.start) for p in parts), return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome

    async def _prepare(self, parts: Parts, producer: Producer) -> None:
        kafka = self.settings.kafka
        self._say("creating topics, seeding tables")
        await topics.apply(
            kafka_connection(kafka),
            kafka.prefix,
            partitions=kafka.partitions,
            replication=kafka.replication,
            events=kafka.events,
        )
        if await gate_of(parts)():  # Kafka's data were kept and Redis' were not
            self._say("refilling Redis from Kafka")
            filling = bootstrap(self.settings, rebuilding=True)
            self._open.push_async_callback(filling.store.close)
            await rebuild(filling, kafka_connection(kafka), lambda *_: None)
        await seed(parts.table_writer(producer), parts.catalogue)

    def _variables(self, probe_port: int) -> Mapping[str, str]:
        """Where the parts are, for child processes; what else is set in the environment they inherit."""
        settings = self.settings
        return {
            "TOCSIN_MODE": "dev",
            "TOCSIN_KAFKA__BOOTSTRAP": settings.kafka.bootstrap,
            "TOCSIN_REDIS__URL": settings.redis.url.get_secret_value(),
            "TOCSIN_SMTP__HOST": settings.smtp.host,
            "TOCSIN_SMTP__PORT": str(settings.smtp.port),
            "TOCSIN_HTTP__PORT": str(settings.http.port),
            "TOCSIN_MAIL__UNSUBSCRIBE_BASE": settings.mail.unsubscribe_base,
            "TOCSIN_AUTH__SECRET": settings.auth.secret.get_secret_value() or DEV_SECRET,
            "TOCSIN_WORKER__METRICS_PORT": str(probe_port),
            "TOCSIN_LOG_FORMAT": "console",
        }
