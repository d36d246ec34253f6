"""Operators' view of records: filter fields, masks, reasons, and tolerance of any bytes."""

import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.cli.support.record_line import view_line
from service.cli.support.record_view import record_view
from service.model.event import InvalidEvent
from service.model.ids import event_key
from service.model.ledger import State
from service.model.outcome import Outcome
from service.model.reasons import DeadReason, Reason
from service.model.record import Record
from service.model.topics import TopicNames
from service.pipeline.messages import dead_letter

TOPICS = TopicNames("p.")
EVENT = {
    "id": "e1",
    "source": "/s",
    "type": "com.example.overbid",
    "recipients": ["alice", "bob"],
    "data": {"lot_id": "1"},
}
KEY = event_key("/s", "e1")
ALL = (TOPICS.outcomes, TOPICS.inbox, TOPICS.dead_letter, TOPICS.table("recipients"), "events")


def _record(
    topic: str, value: bytes | None, headers: tuple[tuple[str, bytes], ...] = (), key: bytes = b"k"
) -> Record:
    return Record(topic, 1, 2, 1_790_000_000_000, key, value, headers)


@pytest.mark.parametrize(
    ("value", "headers"),
    [
        (orjson.dumps(EVENT), ()),
        (orjson.dumps({**EVENT, "recipients": '["alice","bob"]'}), ()),
        (orjson.dumps({**EVENT, "recipients": "alice, bob"}), ()),
        (
            orjson.dumps(
                {"id": "e1", "source": "/s", "type": "overbid", "data": {"recipients": ["alice", "bob"]}}
            ),
            (),
        ),
        (
            b"{}",
            (
                ("ce_id", b"e1"),
                ("ce_source", b"/s"),
                ("CE_Type", b"overbid"),
                ("ce_recipients", b"alice,bob"),
            ),
        ),
    ],
)
def test_an_event_is_found_by_its_fields_in_every_form(
    value: bytes, headers: tuple[tuple[str, bytes], ...]
) -> None:
    """Structured, bare and binary; by id or key, by type with or without prefix, by any of its recipients."""
    fields = record_view(_record("events", value, headers), TOPICS).fields

    assert {KEY, "e1"} <= set(fields["event"])
    assert "overbid" in fields["type"]
    assert fields["recipient"] == ("alice", "bob")


def test_a_dead_letter_shows_the_reason_and_the_original() -> None:
    """The code, its sentence, and where the original comes from."""
    original = _record("events", orjson.dumps(EVENT))
    message = dead_letter(
        TOPICS.dead_letter, "resolve", original, InvalidEvent(DeadReason.invalid_data, "lot_id: missing")
    )

    view = record_view(_record(message.topic, message.value, tuple(message.headers)), TOPICS)

    assert (view.first("reason"), view.first("state")) == ("invalid_data", "dead")
    assert "overbid" in view.fields["type"]
    line = view_line(view, TOPICS, personal=False)
    assert "from events:1:2, by resolve" in line
    assert f"invalid_data: {DeadReason.invalid_data.text}" in line


def test_an_outcome_is_found_by_state_and_reason() -> None:
    """The record of a bounce, with the relay's reply."""
    outcome = Outcome(
        "d",
        KEY,
        "overbid",
        "alice",
        "email",
        State.bounced,
        1,
        Reason.mailbox_unknown,
        reply="550 no",
        relay="r1",
    )

    view = record_view(_record(TOPICS.outcomes, outcome.to_bytes()), TOPICS)

    assert [view.first(name) for name in ("type", "recipient", "channel", "state", "reason", "event")] == [
        "overbid",
        "alice",
        "email",
        "bounced",
        "mailbox_unknown",
        KEY,
    ]
    line = view_line(view, TOPICS, personal=False)
    assert "550 no" in line
    assert f"mailbox_unknown: {Reason.mailbox_unknown.text}" in line


def test_a_relays_reply_is_shown_once() -> None:
    """The ledger's detail repeats relay and reply, which the outcome has in fields; other details are shown too."""
    reply = {"relay": "relay1", "reply": "250 2.0.0 Ok"}
    same = _record(TOPICS.outcomes, orjson.dumps({**reply, "detail": "relay1 250 2.0.0 Ok"}))
    more = _record(TOPICS.outcomes, orjson.dumps({**reply, "detail": "at last"}))

    assert view_line(record_view(same, TOPICS), TOPICS, personal=False).count("250 2.0.0 Ok") == 1
    assert "at last relay1 250 2.0.0 Ok" in view_line(record_view(more, TOPICS), TOPICS, personal=False)


@pytest.mark.parametrize("topic", ALL)
def test_addresses_and_names_are_hidden_everywhere(topic: str) -> None:
    """In the key, headers, replies, details and nested data; shown only with `personal`."""
    value = {
        "id": "alice@example.com",
        "address": "alice@example.com",
        "name": "Alice Example",
        "reply": "550 <alice@example.com> unknown",
        "data": {"deep": [{"alice@example.com": "to alice@example.com"}]},
        "data_base64": "YWxpY2VAZXhhbXBsZS5jb20=",
    }
    headers = (("tocsin-detail", b"alice@example.com"), ("x", b"alice%40example.com"))
    view = record_view(_record(topic, orjson.dumps(value), headers, b"alice@example.com"), TOPICS)

    hidden = json.dumps(view.document(personal=False)) + view_line(view, TOPICS, personal=False)

    assert not any(word in hidden for word in ("alice", "lice", "Example", "example", "YWxp"))
    assert json.dumps(view.document(personal=True)).count("alice@example.com") >= 6


@pytest.mark.exhaustive
@given(value=st.binary(max_size=200) | st.none(), header=st.binary(max_size=50), topic=st.sampled_from(ALL))
def test_nothing_in_a_record_breaks_the_view(value: bytes | None, header: bytes, topic: str) -> None:
    """Any bytes can be shown, as a line and as JSON."""
    view = record_view(_record(topic, value, (("ce_id", header), ("tocsin-reason", header)), header), TOPICS)

    view_line(view, TOPICS, personal=False)
    assert orjson.loads(orjson.dumps(view.document(personal=False)))["offset"] == 2


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5),
    lambda s: (
        st.lists(s, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "type", "recipients", "data", "source", "event", "state", "name", "x"]),
            s,
            max_size=4,
        )
    ),
)


@pytest.mark.exhaustive
@given(value=_JSON, topic=st.sampled_from(ALL))
def test_nothing_in_a_document_breaks_the_view(value: object, topic: str) -> None:
    """Fields may have any shape."""
    view = record_view(_record(topic, orjson.dumps(value)), TOPICS)

    view_line(view, TOPICS, personal=True)
    assert view.document(personal=True)["value"] == value


@pytest.mark.parametrize("levels", [64, 249, 250, 254, 260, 500, 1000, 5000])
@pytest.mark.parametrize("topic", ["events", TOPICS.dead_letter])
def test_a_record_of_many_levels_is_shown(topic: str, levels: int) -> None:
    """A dead letter keeps the bytes that were nested too deeply for an event."""
    for value in (b"[" * levels + b"]" * levels, b'{"recipients":' * levels + b"1" + b"}" * levels):
        view = record_view(_record(topic, value, (("tocsin-reason", b"too_deep"),)), TOPICS)
        for personal in (False, True):
            assert json.loads(orjson.dumps(view.document(personal=personal)))["value"]
            assert view_line(view, TOPICS, personal=personal)


@pytest.mark.parametrize("at_ms", [-1, 0, 2**53, 2**62])
def test_a_record_of_any_time_is_shown(at_ms: int) -> None:
    """Kafka takes any timestamp from a producer."""
    view = record_view(_record("events", b"{}")._replace(timestamp_ms=at_ms), TOPICS)
    assert view.document(personal=True)["time"][:4] in ("1970", "2261")
    assert view_line(view, TOPICS, personal=False)
