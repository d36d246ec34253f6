"""Publication of the sample events, and their deliveries up to the final states."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import orjson

from service.bootstrap.parts import Parts
from service.dev import samples
from service.model.ids import event_key
from service.model.ledger import Entry, State, is_open
from service.model.record import Message
from streams.kafka.connection import kafka_connection
from streams.producer.producer import Producer
from streams.reader.outcome_log import KafkaOutcomeLog

_POLL_S = 0.1


@dataclass(frozen=True, slots=True)
class SampleResult:
    """A sample event with its ledger entries."""

    type: str
    event_id: str
    entries: Sequence[Entry]

    @property
    def finished(self) -> bool:
        """Return True when the event was resolved and none of its deliveries is open."""
        return bool(self.entries) and not any(is_open(entry.state) for entry in self.entries)


async def publish_samples(parts: Parts) -> dict[str, str]:
    """Publish one event of each API document and return the event ids by type. Raise Unavailable."""
    now = datetime.now(UTC)
    ids = {name: f"sample-{name}-{now:%Y%m%dT%H%M%S.%f}" for name in samples.SAMPLES}
    stamp = now.isoformat(timespec="seconds").replace("+00:00", "Z")
    events = [samples.event(parts.catalogue, name, ids[name], stamp) for name in samples.SAMPLES]
    producer = Producer(kafka_connection(parts.settings.kafka))
    await producer.start()
    try:
        topic = parts.settings.kafka.events[0]
        await producer.publish([Message(topic, b"", orjson.dumps(event)) for event in events])
    finally:
        await producer.stop()
    return ids


async def follow(parts: Parts, ids: dict[str, str], timeout_s: float) -> list[SampleResult]:
    """Return the results of the samples when all are finished, or after `timeout_s` seconds."""
    deadline = time.monotonic() + timeout_s
    while True:
        results = [
            SampleResult(name, event_id, await _entries(parts, event_id)) for name, event_id in ids.items()
        ]
        if all(result.finished for result in results) or time.monotonic() > deadline:
            return results
        await asyncio.sleep(_POLL_S)


async def relay_replies(parts: Parts, results: Sequence[SampleResult]) -> Mapping[str, str]:
    """Return the relay and its reply for each message that was accepted, by delivery."""
    log = KafkaOutcomeLog(kafka_connection(parts.settings.kafka), parts.topics.outcomes)
    steps = [(entry.delivery, entry.newest_step) for result in results for entry in result.entries]
    sent = [(delivery, step.at_ms) for delivery, step in steps if step.state is State.sent]
    outcomes = (await log.acceptances(sent)).values()
    return {outcome.delivery: f"{outcome.relay} {outcome.reply}" for outcome in outcomes}


async def _entries(parts: Parts, event_id: str) -> list[Entry]:
    key = event_key(samples.SOURCE, event_id)
    return sorted([e async for e in parts.ledger.entries(key)], key=lambda e: (e.recipient, e.channel))
