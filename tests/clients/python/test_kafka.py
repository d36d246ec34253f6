"""The publisher over Kafka without a broker; `tests/e2e/test_python_client.py` has one."""

import pytest
from tocsin_client import InvalidEvent, Unavailable
from tocsin_client.kafka import KafkaPublisher
from tocsin_client.types import Winner


async def test_a_broker_that_is_not_there(free_port: int) -> None:
    """It is `Unavailable`, as with any other fault that passes."""
    with pytest.raises(Unavailable, match="cannot be reached"):
        async with KafkaPublisher(f"127.0.0.1:{free_port}"):
            pass


async def test_it_is_used_within_async_with() -> None:
    """There is no producer otherwise."""
    with pytest.raises(RuntimeError, match="async with"):
        await KafkaPublisher("127.0.0.1:9092").publish(
            Winner(source="/s", recipients=["alice"], data={"lot_id": "7"})
        )


async def test_an_invalid_event_is_refused_with_its_place(kafka: str) -> None:
    """Nothing is sent, and the topic need not exist."""
    good = Winner(source="/s", recipients=["alice"], data={"lot_id": "7"})
    bad = Winner(source="", recipients=["alice"], data={"lot_id": "7"})
    async with KafkaPublisher(kafka, topic="no-such-topic") as publisher:
        with pytest.raises(InvalidEvent) as refused:
            await publisher.publish(good, bad)
    assert refused.value.index == 1


async def test_what_is_not_acknowledged_in_time_is_unavailable(kafka: str) -> None:
    """Such as events for a topic that does not exist."""
    good = Winner(source="/s", recipients=["alice"], data={"lot_id": "7"})
    async with KafkaPublisher(kafka, topic="no-such-topic", timeout_s=0.5) as publisher:
        with pytest.raises(Unavailable):
            await publisher.publish(good)
