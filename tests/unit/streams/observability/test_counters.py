"""What is counted when Kafka has acknowledged it, and by which name a record is logged."""

import json
from typing import Any

import pytest
import structlog.testing

from service.model.event import InvalidEvent
from service.model.ids import delivery_id, event_key
from service.model.ledger import State
from service.model.outcome import Outcome, ReadMark
from service.model.reasons import DeadReason
from service.model.record import Message, Record
from service.model.topics import TopicNames
from service.observability.metrics import (
    DEAD_LETTERS,
    EVENT_TO_FINAL,
    OUTCOMES,
    SMTP_REPLIES,
    FastHistogram,
    exposition,
)
from service.pipeline.messages import dead_letter, message_of
from streams.kafka.record_ids import RecordIds, record_ids
from streams.observability.counters import MessageCounters

TOPICS = TopicNames("x.")


def outcome_of(state: State, **fields: Any) -> Message:
    """An outcome as a stage writes it."""
    event = event_key("/s", "1")
    outcome = Outcome(
        delivery_id(event, "r", "email"),
        event,
        "counted",
        "alice@example.com",
        "email",
        state,
        5_000,
        **fields,
    )
    return message_of(TOPICS, outcome)


def test_outcomes_replies_and_durations() -> None:
    """Each state change counts by its closed labels; mail that is sent has its age and its reply."""
    counted = MessageCounters(TOPICS)
    counted([outcome_of(State.sent, received_ms=3_000, relay="r9", reply="250 2.0.0 ok")])
    counted(
        [
            outcome_of(State.deferred, received_ms=3_000, relay="r9", reply="451 4.7.1 later"),
            outcome_of(State.queued),
        ]
    )
    counted([Message(TOPICS.outcomes, b"k", ReadMark("alice", ("d1",), 1).to_bytes())])
    counted([Message(TOPICS.inbox, b"k", b'{"state":"sent"}')])

    states = {
        state: OUTCOMES.value(state, "email", "counted", "") for state in ("sent", "deferred", "queued")
    }
    assert states == {"sent": 1, "deferred": 1, "queued": 1}
    assert (SMTP_REPLIES.value("r9", "2xx"), SMTP_REPLIES.value("r9", "4xx")) == (1, 1)
    assert 'tocsin_event_to_final_seconds_bucket{channel="email",le="2.5"}' in exposition()[0].decode()
    assert EVENT_TO_FINAL.collect()


def test_dead_letters_begin_at_zero() -> None:
    """Prometheus sees no increase in a series that begins with 1."""
    counted = MessageCounters(TOPICS, ("begun",))
    assert 'reason="too_deep",stage="begun"} 0.0' in exposition()[0].decode()
    record = Record("events", 0, 1, 1, None, b"{")
    counted([dead_letter(TOPICS.dead_letter, "begun", record, InvalidEvent(DeadReason.too_deep))])
    assert DEAD_LETTERS.value("begun", "too_deep") == 1


def test_a_flood_of_dead_letters_is_some_lines_of_log() -> None:
    """A line costs ten times the record that it is about: the first ones of a reason are written, all are counted."""
    counted = MessageCounters(TOPICS)
    letters = [
        dead_letter(TOPICS.dead_letter, "flooded", Record("events", 0, offset, 1, None, b"7"), error)
        for offset in range(1000)
        for error in (InvalidEvent(DeadReason.not_an_object), InvalidEvent(DeadReason.empty))
    ]
    with structlog.testing.capture_logs() as lines:
        counted(letters)
    written = [line["reason"] for line in lines]
    assert 1 <= written.count("not_an_object") <= 20
    assert 1 <= written.count("empty") <= 20
    assert DEAD_LETTERS.value("flooded", "empty") == 1000


def test_a_histogram_counts_all_that_is_not_longer() -> None:
    """Buckets add up, a duration on a bound belongs to it, and the sum is exact."""
    from prometheus_client import CollectorRegistry, generate_latest

    registry = CollectorRegistry()
    durations = FastHistogram("d_seconds", "text", ("channel",), (1, 2.5), registry)
    for seconds in (0.5, 1, 2, 9):
        durations.observe(("email",), seconds)
    shown = [line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")]
    assert shown == [
        'd_seconds_bucket{channel="email",le="1"} 2.0',
        'd_seconds_bucket{channel="email",le="2.5"} 3.0',
        'd_seconds_bucket{channel="email",le="+Inf"} 4.0',
        'd_seconds_count{channel="email"} 4.0',
        'd_seconds_sum{channel="email"} 12.5',
    ]


@pytest.mark.parametrize(
    ("value", "headers", "found"),
    [
        (b'{"id":"1","source":"/s","traceparent":"t"}', (), RecordIds("1", "/s", traceparent="t")),
        (b'{"id":"1","source":"/s"}', (("traceparent", b"t"),), RecordIds("1", "/s", traceparent="t")),
        (b'{"id":"lot"}', (("ce_id", b"1"), ("ce_source", b"/s")), RecordIds("1", "/s")),
        (b'{"id":"d","event_id":"1","recipient":"r"}', (), RecordIds("1", "", "d", "r")),
        (b"{", (("ce_id", b"\xff"),), RecordIds("\ufffd")),
        (None, (), RecordIds()),
        (b"[1]", (), RecordIds()),
        (b'{"id":7}', (), RecordIds()),
    ],
)
def test_identity(value: bytes | None, headers: Any, found: RecordIds) -> None:
    """An event in each of its forms, and a delivery, say what they are; what is malformed says nothing."""
    assert record_ids(value, headers) == found


def test_a_recipient_that_could_be_an_address_is_a_digest() -> None:
    """Members of groups have their address as id; in logs they are distinct and unreadable."""
    plain = record_ids(json.dumps({"event_id": "1", "recipient": "alice"}).encode(), ()).log_fields()
    address = record_ids(
        json.dumps({"event_id": "1", "recipient": "a@example.com"}).encode(), ()
    ).log_fields()
    assert plain["recipient"] == "alice"
    assert len(address["recipient"]) == 12
    assert "example" not in str(address)
