"""The whole pipeline for end-to-end tests: a real broker, Redis and SMTP server, and stages in worker processes.

Topics and keys have a prefix of their own, so that many pipelines share one broker and one Redis.
"""

import asyncio
import json
import subprocess
import sys
import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Self

from aiokafka import AIOKafkaConsumer

from service.adapters.redis.operate.inventory import inventory
from service.bootstrap.parts import Parts, bootstrap
from service.dev import samples
from service.dev.catcher import Catcher
from service.dev.kafka import EmbeddedKafka
from service.dev.ports import free_port
from service.dev.valkey import EmbeddedValkey
from service.model.ids import event_key
from service.model.ledger import Entry, State, is_open
from service.model.outcome import Outcome
from service.model.record import Message
from service.settings import KafkaSettings, RedisSettings, Settings, SmtpSettings, WorkerSettings
from streams.kafka.connection import kafka_connection
from streams.producer.producer import Producer
from streams.topics.apply import TopicChange
from streams.topics.apply import apply as apply_topics
from tests.support.completeness import mark_complete
from tests.support.environment import inherited_environment
from tests.support.kafka_cluster import EmbeddedKafkaCluster
from tests.support.paths import ROOT
from tests.support.stack import shared_kafka, shared_valkey
from tests.support.wait import eventually


class RealPipeline:
    """Topics, tables and a mail catcher within `async with RealPipeline() as pipeline:`; the test starts workers."""

    def __init__(
        self,
        partitions: int = 3,
        variables: Mapping[str, str] | None = None,
        *,
        kafka: EmbeddedKafka | EmbeddedKafkaCluster | None = None,
        valkey: EmbeddedValkey | None = None,
        redis: RedisSettings | None = None,
    ) -> None:
        name = uuid.uuid4().hex[:8]
        self.name = name
        self.catcher = Catcher()
        self.variables = dict(variables or {})
        self.settings = Settings(
            kafka=KafkaSettings(
                bootstrap=(kafka or shared_kafka()).bootstrap,
                prefix=f"{name}.",
                events=(f"{name}.events",),
                partitions=partitions,
                replication=kafka.replication if isinstance(kafka, EmbeddedKafkaCluster) else 1,
            ),
            redis=(redis or RedisSettings(url=(valkey or shared_valkey()).url)).model_copy(
                update={"prefix": f"{name}:"}
            ),
            smtp=SmtpSettings(host="127.0.0.1", port=self.catcher.smtp_port, max_connections=4),
            worker=WorkerSettings(),
        )
        self.parts: Parts
        self.producer: Producer
        self.workers: list[subprocess.Popen[bytes]] = []

    async def __aenter__(self) -> Self:
        await self.catcher.start()
        await self.apply_topics()
        self.parts = bootstrap(self.settings)
        await mark_complete(self.parts.store)
        self.producer = Producer(kafka_connection(self.settings.kafka))
        await self.producer.start()
        await self.seed()
        return self

    async def __aexit__(self, *_: object) -> None:
        for worker in self.workers:
            if worker.poll() is None:
                worker.kill()
                worker.wait()
        await self.producer.stop()
        await self.catcher.stop()
        await self.parts.store.close()

    async def apply_topics(self) -> list[TopicChange]:
        """Create the topics, or alter them as the settings say by now; return what was done with each."""
        kafka = self.settings.kafka
        return await apply_topics(
            kafka_connection(kafka),
            kafka.prefix,
            partitions=kafka.partitions,
            replication=kafka.replication,
            min_insync_replicas=kafka.min_insync_replicas,
            events=kafka.events,
        )

    async def seed(self) -> None:
        """Write the development's sample rows into the tables."""
        await self.parts.writes.put_recipients(samples.RECIPIENTS)
        await self.parts.writes.put_group(samples.GROUP)
        await self.parts.writes.put_contacts(samples.contacts(self.parts.catalogue))

    def start_worker(
        self,
        stages: str = "resolve,inbox,email,schedule",
        *,
        output: IO[bytes] | None = None,
        module: str = "service.cli",
        home: Path = ROOT,
        **variables: str,
    ) -> subprocess.Popen[bytes]:
        """Start a worker process with this pipeline's settings and `variables`; its output goes to `output`.

        `module` is run instead of `tocsin`; `home` is the checkout whose code is run.
        """
        probe = {"TOCSIN_WORKER__METRICS_PORT": str(free_port())}
        env = self.environment(**{**probe, **variables})
        command = [sys.executable, "-m", module, "worker", "--stages", stages]
        worker = subprocess.Popen(command, cwd=home, env=env, stdout=output, stderr=output)
        self.workers.append(worker)
        return worker

    def environment(self, **variables: str) -> dict[str, str]:
        """Return environment variables that give a process this pipeline's settings, and no others of Tocsin."""
        settings = self.settings
        return {
            **inherited_environment(),
            "TOCSIN_HTTP__METRICS_PORT": "0",
            "TOCSIN_KAFKA__BOOTSTRAP": settings.kafka.bootstrap,
            "TOCSIN_KAFKA__PREFIX": settings.kafka.prefix,
            "TOCSIN_KAFKA__EVENTS": json.dumps(settings.kafka.events),
            "TOCSIN_REDIS__URL": settings.redis.url.get_secret_value(),
            "TOCSIN_REDIS__PREFIX": settings.redis.prefix,
            "TOCSIN_REDIS__CLUSTER": str(settings.redis.cluster).lower(),
            "TOCSIN_SMTP__HOST": settings.smtp.host,
            "TOCSIN_SMTP__PORT": str(settings.smtp.port),
            "TOCSIN_SMTP__MAX_CONNECTIONS": str(settings.smtp.max_connections),
            "TOCSIN_LOG_LEVEL": "WARNING",
            **self.variables,
            **variables,
        }

    async def tocsin(self, *arguments: str, stdin: bytes = b"") -> tuple[int, list[dict[str, Any]], str]:
        """Run a `tocsin` command on this pipeline; return its exit code, its JSON Lines, and its whole output."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "service.cli", *arguments, cwd=ROOT, env=self.environment(),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, err = await process.communicate(stdin)
        documents = [json.loads(row) for row in out.splitlines() if row[:1] == b"{"]
        return process.returncode or 0, documents, (out + err).decode()

    async def publish(
        self,
        *events: Mapping[str, Any] | bytes,
        headers: Sequence[tuple[str, bytes]] = (),
        first_key: int = 0,
    ) -> None:
        """Publish events to the upstream topic, as bytes or as JSON; their keys are numbers from `first_key` on."""
        values = [e if isinstance(e, bytes) else json.dumps(e).encode() for e in events]
        topic = self.settings.kafka.events[0]
        await self.producer.publish(
            [Message(topic, str(n).encode(), v, headers) for n, v in enumerate(values, first_key)]
        )

    async def entries(self, source: str, event_id: str) -> list[Entry]:
        """Return the ledger's entries of an event."""
        return [e async for e in self.parts.ledger.entries(event_key(source, event_id))]

    async def wait_until_finished(self, source: str, event_id: str, timeout_s: float = 90.0) -> list[Entry]:
        """Wait until an event has deliveries and none of them is open; return their entries."""
        entries: list[Entry] = []

        async def done() -> bool:
            nonlocal entries
            entries = await self.entries(source, event_id)
            return bool(entries) and not any(is_open(e.state) for e in entries)

        await eventually(
            done, timeout_s, lambda: f"{event_id}: {[(e.recipient, e.channel, e.state) for e in entries]}"
        )
        return entries

    async def wait_until_deferred(self, source: str, event_id: str, recipient: str) -> None:
        """Wait until a recipient's mail is deferred, and no other delivery of the event is open."""
        still_open: dict[tuple[str, str], State] = {}

        async def settled() -> bool:
            nonlocal still_open
            entries = await self.entries(source, event_id)
            still_open = {(e.recipient, e.channel): e.state for e in entries if is_open(e.state)}
            return still_open == {(recipient, "email"): State.deferred}

        await eventually(settled, 90, lambda: f"{event_id}: {still_open}")

    async def wait_for_withdrawals(self, count: int) -> None:
        """Wait until so many withdrawals, of events and of supersede keys, are in force."""

        async def in_force() -> bool:
            rows = {table.table: table.rows for table in await inventory(self.parts.store)}
            return rows["withdrawals"] >= count

        await eventually(in_force, 90)

    async def outcomes(self) -> list[Outcome]:
        """Return every outcome so far.

        A stage writes the ledger first, so the outcome of a finished delivery may come a little later.
        """
        return [
            Outcome.from_bytes(value)
            for value, _ in await self.read(self.parts.topics.outcomes)
            if b'"state"' in value
        ]

    async def wait_for_outcomes(
        self, condition: Callable[[Sequence[Outcome]], bool], timeout_s: float = 90.0
    ) -> None:
        """Wait until the outcomes so far satisfy a condition."""
        outcomes: list[Outcome] = []

        async def satisfied() -> bool:
            nonlocal outcomes
            outcomes = await self.outcomes()
            return condition(outcomes)

        await eventually(
            satisfied, timeout_s, lambda: str(Counter((o.channel, o.state.value) for o in outcomes))
        )

    async def dead_letters(self) -> list[tuple[bytes, dict[str, bytes]]]:
        """Return value and headers of every dead letter so far."""
        return await self.read(self.parts.topics.dead_letter)

    async def read(self, topic: str) -> list[tuple[bytes, dict[str, bytes]]]:
        """Return value and headers of the records of a topic up to its present end, in the order of their times.

        The value of a tombstone is empty.
        """
        return [(r.value or b"", dict(r.headers)) for r in await self.records(topic)]

    async def records(self, *topics: str) -> list[Any]:
        """Return aiokafka's records of these topics up to their present ends, in the order of their times."""
        consumer = AIOKafkaConsumer(
            *topics,
            bootstrap_servers=self.settings.kafka.bootstrap,
            auto_offset_reset="earliest",
            group_id=None,
        )
        await consumer.start()
        try:
            ends = await consumer.end_offsets(list(consumer.assignment()))
            records: list[Any] = []
            while any([await consumer.position(tp) < end for tp, end in ends.items()]):
                for batch in (await consumer.getmany(timeout_ms=200)).values():
                    records += batch
        finally:
            await consumer.stop()
        records.sort(key=lambda record: record.timestamp)  # partitions are read in any order
        return records

    def mail_counts(self) -> Counter[tuple[str, str]]:
        """Return how often the relay accepted each (address, Message-ID)."""
        return Counter((m.recipients[0], m.message_id) for m in self.catcher.mails.newest_first())
