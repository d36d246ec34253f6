"""The producer on a real broker: all acknowledged, in order, bounded in time, and usable again after a failure."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from service.dev.kafka import EmbeddedKafka
from service.model.record import Message
from service.ports import Unavailable
from streams.kafka.connection import KafkaConnection
from streams.producer.partition_queue import partition_of
from streams.producer.producer import Producer, TooLarge
from tests.integration.streams.rig import Rig
from tests.support.wait import eventually


@pytest.fixture
async def rig(kafka: str) -> Rig:
    """Topics of this test's own."""
    rig = Rig(kafka)
    await rig.create()
    return rig


@pytest.fixture
async def producer(rig: Rig) -> AsyncIterator[Producer]:
    """A started producer."""
    async with rig.producer() as producer:
        yield producer


async def read(rig: Rig, count: int) -> list[tuple[int, bytes | None, bytes | None, list[tuple[str, bytes]]]]:
    """Return partition, key, value and headers of the first records of the sink, those of a partition in order."""
    consumer = AIOKafkaConsumer(rig.sink, **rig.connection.arguments(), auto_offset_reset="earliest")
    await consumer.start()
    records_read = []
    deadline = time.monotonic() + 30
    while len(records_read) < count and time.monotonic() < deadline:
        for records in (await consumer.getmany(timeout_ms=100)).values():
            records_read += [(r.partition, r.key, r.value, list(r.headers)) for r in records]
    await consumer.stop()
    return records_read


async def test_messages_of_a_key_keep_their_order_over_concurrent_calls(rig: Rig, producer: Producer) -> None:
    """Calls that overlap write in the order in which they were made, each key in one partition."""
    calls = [
        [Message(rig.sink, b"k%d" % (i % 9), b"%d" % (call * 100 + i)) for i in range(100)]
        for call in range(30)
    ]

    await asyncio.gather(*(producer.publish(messages) for messages in calls))

    order: dict[bytes | None, list[int]] = {}
    for partition, key, value, _ in await read(rig, 3000):
        assert partition == partition_of(key or b"", 4)
        order.setdefault(key, []).append(int(value or b""))
    assert sum(map(len, order.values())) == 3000
    assert all(numbers == sorted(numbers) for numbers in order.values())


async def test_headers_tombstones_and_nothing_at_all(rig: Rig, producer: Producer) -> None:
    """Headers arrive as they were written, None is a tombstone, and no messages are no work."""
    await producer.publish([])
    await producer.publish([Message(rig.sink, b"k", None, [("a", b"1"), ("a", b"2")])])

    assert [record[1:] for record in await read(rig, 1)] == [(b"k", None, [("a", b"1"), ("a", b"2")])]


async def test_a_message_over_the_limit_is_refused_before_anything_is_sent(
    rig: Rig, producer: Producer
) -> None:
    """The error names topic and size, and the others of the call are not written behind the caller's back."""
    messages = [Message(rig.sink, b"k", b"1"), Message(rig.sink, b"k", b"x" * 1_100_000)]

    with pytest.raises(TooLarge, match=rig.sink):
        await producer.publish(messages)

    assert not await rig.count(rig.sink)


async def test_continues_after_the_broker_refused_a_message_for_its_size(
    rig: Rig, producer: Producer
) -> None:
    """A topic with a lower limit than we know of: a clear error, and the next message is taken all the same."""
    small = f"small-{uuid.uuid4().hex}"
    admin = AIOKafkaAdminClient(**rig.connection.arguments())
    await admin.start()
    await admin.create_topics([NewTopic(small, 1, 1, topic_configs={"max.message.bytes": "1000"})])
    await admin.close()
    await insist(producer, Message(small, b"k", b"0"))  # until its leader is known

    with pytest.raises(TooLarge):
        await producer.publish([Message(small, b"k", b"x" * 5000)])
    for number in range(3):
        await producer.publish([Message(small, b"k", b"1"), Message(rig.sink, b"k", b"%d" % number)])

    assert set(await rig.count(small)) == {0, 1}
    assert await rig.count(rig.sink) == {0: 1, 1: 1, 2: 1}


async def test_a_missing_topic_is_unavailable_in_bounded_time(rig: Rig) -> None:
    """It does not wait for ever, and shows the reason until something was acknowledged again."""
    async with rig.producer(timeout_s=0.5) as producer:
        async with asyncio.timeout(30):
            with pytest.raises(Unavailable):
                await producer.publish([Message(f"{rig.name}.absent", b"k", b"1")])
        assert producer.last_error

        await insist(producer, Message(rig.sink, b"k", b"1"))
        assert producer.last_error is None


async def test_a_cancelled_call_does_not_harm_the_others(rig: Rig, producer: Producer) -> None:
    """Calls share batches; cancelling one leaves the others to be acknowledged."""
    calls = [asyncio.create_task(producer.publish([Message(rig.sink, b"k", b"%d" % i)])) for i in range(20)]
    await asyncio.sleep(0)
    for call in calls[::2]:
        call.cancel()

    await asyncio.gather(*calls[1::2])

    assert set(await rig.count(rig.sink)) >= set(range(1, 20, 2))


async def test_a_broker_that_stops_and_comes_back(tmp_path: Path) -> None:
    """Unavailable in bounded time while it is down, also without a connection at all; afterwards it works again."""
    with EmbeddedKafka(tmp_path) as kafka:
        rig = Rig(kafka.bootstrap)
        await rig.create()
        async with rig.producer(timeout_s=1.0) as producer:
            await insist(producer, rig_message(rig, 0))
            kafka.kill()
            for number in (1, 2):
                async with asyncio.timeout(30):
                    with pytest.raises(Unavailable):
                        await producer.publish([rig_message(rig, number)])
            kafka.start()
            written = asyncio.create_task(insist(producer, rig_message(rig, 3)))
            await eventually(written.done)

        assert set(await rig.count(rig.sink)) >= {0, 3}


async def test_starts_and_stops_without_a_broker(free_port: int) -> None:
    """A producer that never reached Kafka has an error and can be stopped."""
    producer = Producer(KafkaConnection(f"127.0.0.1:{free_port}"), timeout_s=0.5)

    await producer.start()
    assert producer.last_error
    with pytest.raises(Unavailable):
        await producer.publish([Message("t", b"k", b"1")])
    await producer.stop()


def rig_message(rig: Rig, number: int) -> Message:
    """A numbered message for the sink."""
    return Message(rig.sink, b"k", b"%d" % number)


async def test_readiness_returns_without_a_message(tmp_path: Path) -> None:
    """A process that is not ready is given no requests: also one that started before Kafka becomes ready by itself."""
    kafka = EmbeddedKafka(tmp_path)
    rig = Rig(kafka.bootstrap)

    async def ready() -> bool:
        return await producer.not_ready_reason() is None

    async with rig.producer(timeout_s=2.0) as producer:
        assert not await ready()
        with kafka:
            await eventually(ready)
            with pytest.raises(Unavailable):
                await producer.publish([rig_message(rig, 0)])
            await asyncio.sleep(1)
            assert not await ready(), "the topic is still missing"
            await rig.create()
            await eventually(ready)
            kafka.kill()
            with pytest.raises(Unavailable):
                await producer.publish([rig_message(rig, 1)])
            kafka.start()
            await eventually(ready)
            await producer.publish([rig_message(rig, 2)])


async def insist(producer: Producer, message: Message) -> None:
    """Write a message, retrying until Kafka takes it."""
    while True:
        with suppress(Unavailable):
            return await producer.publish([message])
        await asyncio.sleep(0.05)
