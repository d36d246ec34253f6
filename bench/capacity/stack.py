"""The servers of the measurement, and one worker for each role, so that CPU is counted by role."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Self

import orjson
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import for_code
from redis.asyncio import Redis

from bench.capacity.mixes import seed, write_templates
from bench.sides import Processes
from bench.sink import Sink
from bench.warm import warm
from service.bootstrap.parts import bootstrap
from service.dev.kafka import EmbeddedKafka
from service.dev.valkey import EmbeddedValkey
from service.settings import KafkaSettings, RedisSettings, Settings
from streams.kafka.connection import KafkaConnection
from streams.topics.apply import apply as apply_topics
from streams.topics.table import TOPICS

ROLES: Mapping[str, tuple[str, ...]] = {
    "resolve": ("resolve",),
    "inbox": ("inbox",),
    "email": ("email",),
    "schedule": ("schedule", "tables"),
}
"""The stages of each worker."""


class CapacityStack:
    """Kafka, Valkey and a mail sink, started and filled with rows by `async with`.

    `compression`: of the dispatch topics; `producer` leaves the records as the workers write them, uncompressed.
    """

    def __init__(self, directory: Path, partitions: int, compression: str) -> None:
        self.directory = directory
        self.partitions = partitions
        self._compression = compression
        self.kafka = EmbeddedKafka(directory / "kafka", progress=print)
        self.valkey = EmbeddedValkey(directory / "valkey")

    async def __aenter__(self) -> Self:
        print("starting Kafka, Valkey and the mail sink ...", flush=True)
        self.kafka.start()
        self.valkey.start()
        self.sink = Sink(self.directory)
        self.sink.wait()
        self.redis = Redis.from_url(self.valkey.url)
        self._templates = write_templates(self.directory)
        await apply_topics(KafkaConnection(self.kafka.bootstrap), partitions=self.partitions)
        await self._set_compression()
        settings = Settings(
            kafka=KafkaSettings(bootstrap=self.kafka.bootstrap), redis=RedisSettings(url=self.valkey.url)
        )
        parts = bootstrap(settings)
        await seed(parts)
        await parts.store.close()
        print("warming the broker up ...", flush=True)
        await warm(self.kafka.bootstrap)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.redis.aclose()
        self.sink.stop()
        self.valkey.stop()
        self.kafka.stop()

    async def _set_compression(self) -> None:
        """Set `compression.type` of the dispatch topics, as an operator may: `tocsin topics apply` leaves it."""
        settings = {"compression.type": self._compression}
        resources = [
            ConfigResource(ConfigResourceType.TOPIC, topic.name, {**topic.config(), **settings})
            for topic in TOPICS
            if topic.name.startswith("dispatch.") and not topic.compressed
        ]
        admin = AIOKafkaAdminClient(bootstrap_servers=self.kafka.bootstrap)
        await admin.start()
        try:
            for response in await admin.alter_configs(resources):
                for code, message, *_ in response.resources:
                    if code:
                        raise for_code(code)(message)
        finally:
            await admin.close()

    @property
    def pids(self) -> dict[str, int]:
        """Return the process ids of the servers."""
        pids = {"kafka": self.kafka.pid, "redis": self.valkey.pid, "sink": self.sink.pid}
        return {name: pid for name, pid in pids.items() if pid is not None}

    @property
    def ports(self) -> dict[int, str]:
        """Return the server that listens on each port."""
        return {self.kafka.port: "kafka", self.valkey.port: "redis", self.sink.port: "relay"}

    @asynccontextmanager
    async def workers(self, max_records: int) -> AsyncIterator[Processes]:
        """Run a worker for each role, with links and return addresses signed as in production.

        `max_records`: the most records in one batch.
        """
        processes = Processes()
        env = {
            "TOCSIN_KAFKA__BOOTSTRAP": self.kafka.bootstrap,
            "TOCSIN_KAFKA__PARTITIONS": str(self.partitions),
            "TOCSIN_REDIS__URL": self.valkey.url,
            "TOCSIN_SMTP__HOST": "127.0.0.1",
            "TOCSIN_SMTP__PORT": str(self.sink.port),
            "TOCSIN_MAIL__SECRETS": '["a-secret-of-the-capacity-measurement"]',
            "TOCSIN_MAIL__BOUNCE_DOMAIN": "bounces.example.com",
            "TOCSIN_TEMPLATES__DIRECTORY": str(self._templates),
            "TOCSIN_WORKER__MAX_RECORDS": str(max_records),
            "TOCSIN_LOG_LEVEL": "WARNING",
        }
        try:
            for role, stages in ROLES.items():
                log = self.directory / f"{role}.log"
                stages_env = {"TOCSIN_WORKER__STAGES": orjson.dumps(stages).decode()}
                processes.start(role, ["bench.worker"], {**env, **stages_env}, log)
            yield processes
        finally:
            await asyncio.to_thread(processes.stop)
