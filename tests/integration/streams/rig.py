"""The rig of the stage tests: topics of their own, numbered records in, and a count of the records that came out."""

import asyncio
import os
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy

from service.model.record import Done, Handler, Message, Record
from streams.consumer.batch import ToDeadLetter
from streams.consumer.client import Subscription
from streams.consumer.limits import StageLimits
from streams.consumer.stage import BatchStage, ReadinessCheck
from streams.kafka.connection import KafkaConnection
from streams.producer.producer import Producer
from tests.support.paths import ROOT

QUICK = StageLimits(
    max_records=100,
    commit_interval_s=0.05,
    drain_s=5.0,
    retry_first_s=0.02,
    retry_most_s=0.2,
    session_timeout_s=6.0,
)


class _Careless(str):
    """A header name that is encoded to bytes that are not UTF-8."""

    def encode(self, *_: str) -> bytes:
        return b"\xff\xfe"


class Rig:
    """One test's topics on one broker: `source` to read from, `sink` to write to, `dead` for dead letters."""

    def __init__(self, bootstrap: str) -> None:
        self.connection = KafkaConnection(bootstrap)
        self.name = f"t{uuid.uuid4().hex[:12]}"
        self.source, self.sink, self.dead = (f"{self.name}.{part}" for part in ("source", "sink", "dead"))

    async def create(self, partitions: int = 4, replication: int = 1) -> None:
        """Create the topics and wait until they can be used."""
        admin = AIOKafkaAdminClient(**self.connection.arguments())
        await admin.start()
        try:
            names = [self.source, self.sink, self.dead]
            await admin.create_topics([NewTopic(name, partitions, replication) for name in names])
            deadline = time.monotonic() + 30
            while any(
                topic["error_code"] or any(one["leader"] < 0 for one in topic["partitions"])
                for topic in await admin.describe_topics(names)
            ):
                assert time.monotonic() < deadline
                await asyncio.sleep(0.05)
        finally:
            await admin.close()

    @asynccontextmanager
    async def producer(self, timeout_s: float = 30.0) -> AsyncIterator[Producer]:
        """A producer for as long as the block lasts."""
        producer = Producer(self.connection, timeout_s=timeout_s)
        await producer.start()
        try:
            yield producer
        finally:
            await producer.stop()

    async def feed(self, producer: Producer, ids: range, keys: int = 50) -> None:
        """Write records whose value is their number."""
        messages = [Message(self.source, b"key-%d" % (i % keys), b"%d" % i) for i in ids]
        for start in range(0, len(messages), 1000):
            await producer.publish(messages[start : start + 1000])

    async def feed_careless(self, ids: range, odd: Collection[int], codec: int = 0) -> None:
        """Write records in batches of ten to one partition; the odd ones have a header name that is not UTF-8."""
        writer = AIOKafkaProducer(**self.connection.arguments())
        await writer.start()
        for start in range(ids.start, ids.stop, 10):
            batch = writer.create_batch()
            batch._builder = _DefaultRecordBatchBuilderPy(2, codec, False, -1, -1, 0, 100_000)
            for i in range(start, start + 10):
                headers = [("ce_id", b"1"), *([(_Careless("x"), b"2")] if i in odd else [])]
                batch.append(timestamp=None, key=b"k", value=b"%d" % i, headers=headers)
            await (await writer.send_batch(batch, self.source, partition=0))
        await writer.stop()

    def on(self, record: Record) -> Message:
        """Return the record as a message for the sink."""
        return Message(self.sink, record.key or b"", record.value)

    def dead_letter(self, record: Record, error: Exception) -> Sequence[Message]:
        """Return a dead letter with the class of the error."""
        return [
            Message(self.dead, record.key or b"", record.value, [("error", type(error).__name__.encode())])
        ]

    async def through(self, records: Sequence[Record]) -> AsyncIterator[Done]:
        """A handler that writes every record to the sink."""
        yield Done(records, [self.on(record) for record in records])

    @asynccontextmanager
    async def stage(
        self,
        handler: Handler,
        producer: Producer,
        *,
        limits: StageLimits = QUICK,
        readiness: ReadinessCheck | None = None,
        to_dead_letter: ToDeadLetter | None = None,
        pattern: str | None = None,
    ) -> AsyncIterator[BatchStage]:
        """A stage that reads the source, or the topics of a pattern, for as long as the block lasts."""
        subscription = Subscription(self.connection, self.name, [] if pattern else [self.source], pattern)
        stage = BatchStage(
            "test",
            subscription,
            handler,
            to_dead_letter or self.dead_letter,
            producer,
            limits=limits,
            readiness=readiness,
        )
        await stage.start()
        try:
            yield stage
        finally:
            await stage.stop()

    async def count(self, topic: str) -> Counter[int]:
        """Return how often each number is in a topic, up to its present end."""
        numbers: Counter[int] = Counter()
        consumer = AIOKafkaConsumer(**self.connection.arguments(), isolation_level="read_committed")
        await consumer.start()
        try:
            partitions = [TopicPartition(topic, p) for p in await consumer._client._wait_on_metadata(topic)]
            consumer.assign(partitions)
            await consumer.seek_to_beginning(*partitions)
            ends = await consumer.end_offsets(partitions)
            while any([await consumer.position(tp) < end for tp, end in ends.items()]):
                for records in (await consumer.getmany(timeout_ms=100)).values():
                    numbers.update(int(record.value) for record in records)
        finally:
            await consumer.stop()
        return numbers

    async def counted(self, topic: str, different: int, timeout_s: float = 60.0) -> Counter[int]:
        """Return the count as soon as so many different numbers are in a topic, or after the timeout."""
        deadline = time.monotonic() + timeout_s
        while len(numbers := await self.count(topic)) < different and time.monotonic() < deadline:
            await asyncio.sleep(0.2)
        return numbers

    async def committed(self, topic: str) -> int:
        """Return the sum of the group's committed offsets."""
        admin = AIOKafkaAdminClient(**self.connection.arguments())
        await admin.start()
        try:
            offsets = await admin.list_consumer_group_offsets(self.name)
        finally:
            await admin.close()
        return sum(one.offset for tp, one in offsets.items() if tp.topic == topic and one.offset > 0)


class Worker:
    """`faust worker` in a process of its own, running the stage of `worker_app` on a rig's topics."""

    def __init__(self, rig: Rig, log: Path, **environment: str) -> None:
        self._log = log.open("ab")
        command = [sys.executable, "-m", "faust", "-A", "tests.integration.streams.worker_app", "worker"]
        self.process = subprocess.Popen(
            [*command, "-l", "info", "--without-web"],
            cwd=ROOT,
            env={
                **os.environ,
                "RIG_BOOTSTRAP": rig.connection.bootstrap,
                "RIG_NAME": rig.name,
                **environment,
            },
            stdout=self._log,
            stderr=self._log,
        )

    def end(self, how: signal.Signals = signal.SIGTERM, timeout_s: float = 40.0) -> int:
        """Send a signal, wait for the end of the process, and return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        code = self.process.wait(timeout_s)
        self._log.close()
        return code
