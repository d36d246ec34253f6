"""What relays have said to accepted messages is found in Kafka by delivery and time."""

import time

from aiokafka import AIOKafkaProducer

from service.dev.ports import free_port
from service.model.ids import delivery_id, event_key
from service.model.ledger import State
from service.model.outcome import Outcome
from streams.kafka.connection import KafkaConnection
from streams.reader.outcome_log import KafkaOutcomeLog
from tests.integration.streams.rig import Rig

HOUR_MS = 3_600_000
EVENT = event_key("/t", "1")


def outcome(recipient: str, at_ms: int, state: State = State.sent) -> Outcome:
    delivery = delivery_id(EVENT, recipient, "email")
    reply = f"250 2.0.0 {recipient}"
    return Outcome(delivery, EVENT, "overbid", recipient, "email", state, at_ms, relay="relay1", reply=reply)


async def test_acceptances_are_found_by_delivery_and_time(kafka: str) -> None:
    """Among other records of a day, in any partition; what is not there is left out."""
    rig, now_ms = Rig(kafka), int(time.time() * 1000)
    await rig.create(partitions=3)
    written = [outcome(f"r{n}", now_ms - n * HOUR_MS // 100) for n in range(2000)]
    async with AIOKafkaProducer(bootstrap_servers=kafka) as producer:
        for one in reversed(written):
            key = one.recipient.encode()
            sending = await producer.send(rig.source, one.to_bytes(), key=key, timestamp_ms=one.at_ms + 500)
        await producer.send(rig.source, b'{"state": "sent", "delivery": 5}', timestamp_ms=now_ms)
        refused = outcome("r5", written[5].at_ms - 1, State.bounced)
        await producer.send(rig.source, refused.to_bytes(), timestamp_ms=now_ms)
        await sending
        await producer.flush()
    log = KafkaOutcomeLog(rig.connection, rig.source, timeout_s=30)

    wanted = [(written[n].delivery, written[n].at_ms) for n in (0, 5, 700, 1999)]
    missing = [(written[3].delivery, written[3].at_ms + 1), (refused.delivery, refused.at_ms)]
    found = await log.acceptances([*wanted, *missing])

    assert {key: one.reply for key, one in found.items()} == {
        key: f"250 2.0.0 r{n}" for key, n in zip(wanted, (0, 5, 700, 1999), strict=True)
    }
    assert await log.acceptances([]) == {}


async def test_without_kafka_nothing_is_found() -> None:
    """An outage is no error: the rest of an explanation does not need Kafka."""
    log = KafkaOutcomeLog(KafkaConnection(f"127.0.0.1:{free_port()}"), "dispatch.outcomes", timeout_s=2)

    assert await log.acceptances([(delivery_id(EVENT, "r", "email"), 1)]) == {}


async def test_a_topic_that_is_not_there_has_nothing(kafka: str) -> None:
    """As before the first `tocsin topics apply`."""
    log = KafkaOutcomeLog(KafkaConnection(kafka), "no-such-topic")

    assert await log.acceptances([(delivery_id(EVENT, "r", "email"), 1)]) == {}
