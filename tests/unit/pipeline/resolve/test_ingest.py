"""Ingest accepts three forms of a CloudEvent and names the reason for everything else (ADR 5)."""

import base64
import json
from typing import Any

import pytest

from service.model.event import Event, InvalidEvent
from service.model.reasons import DeadReason
from service.pipeline.resolve.ingest import parse
from tests.support.catalogues import small_catalogue

CATALOGUE = small_catalogue()
BARE: dict[str, Any] = {
    "id": "1",
    "source": "/auctions",
    "type": "winner",
    "recipients": ["alice"],
    "data": {"lot_id": "7"},
}


def take(value: Any, headers: dict[str, str] | None = None, received_ms: int = 1_000) -> Event:
    raw = value if isinstance(value, bytes | None) else json.dumps(value).encode()
    return parse(raw, [(k, v.encode()) for k, v in (headers or {}).items()], CATALOGUE, received_ms)


def reason(value: Any, headers: dict[str, str] | None = None) -> DeadReason:
    with pytest.raises(InvalidEvent) as caught:
        take(value, headers)
    return caught.value.reason


def test_bare_json_has_the_fields_of_a_cloudevent() -> None:
    """id, source, type, recipients and data are taken unchanged."""
    event = take(BARE)

    assert (event.id, event.source, event.type) == ("1", "/auctions", "winner")
    assert event.recipients == ("alice",)
    assert event.data == {"lot_id": "7"}


def test_structured_and_binary_forms_mean_the_same() -> None:
    """The three forms of one event give the same event."""
    structured = take(
        {"specversion": "1.0", **BARE}, {"content-type": "application/cloudevents+json; charset=utf-8"}
    )
    binary = take(
        {"lot_id": "7"},
        {
            "ce_specversion": "1.0",
            "ce_id": "1",
            "ce_source": "/auctions",
            "ce_type": "winner",
            "ce_recipients": "alice",
            "content-type": "application/json",
        },
    )

    assert structured == binary == take(BARE)


@pytest.mark.conformance("CloudEvents 1.0.2", "3.1.1 type", "A type may have a reverse-DNS prefix.")
def test_type_may_have_a_reverse_dns_prefix() -> None:
    """com.example.auction.winner is winner."""
    assert take(BARE | {"type": "com.example.auction.winner"}).type == "winner"


def test_extensions_are_attributes_or_in_the_data_under_either_spelling() -> None:
    """external_id may be a CloudEvents extension, which allows no underscore, or a field of the data."""
    base = {"id": "1", "source": "s", "type": "invoice_available"}
    forms = [
        base | {"external_id": "12345"},
        base | {"externalid": "12345"},
        base | {"data": {"external_id": "12345"}},
        base | {"external_id": 12345},
    ]

    assert {take(form).external_id for form in forms} == {"12345"}


def test_project_is_empty_when_absent() -> None:
    """An empty project is the group's default."""
    assert take({"id": "1", "source": "s", "type": "invoice_available", "external_id": "1"}).project_id == ""


def test_unknown_fields_are_kept() -> None:
    """Fields that the catalogue does not declare are not refused."""
    event = take(BARE | {"region": "eu", "data": {"lot_id": "7", "colour": "red"}})

    assert event.extensions == {"region": "eu"}
    assert event.data["colour"] == "red"


def test_recipients_do_not_travel_in_the_data() -> None:
    """The list of all recipients is not copied into each delivery."""
    event = take(
        {"id": "1", "source": "s", "type": "winner", "data": {"lot_id": "7", "recipients": ["a", "b"]}}
    )

    assert event.recipients == ("a", "b")
    assert "recipients" not in event.data


def test_recipient_may_come_from_the_named_field() -> None:
    """message_from_buyer finds its recipient in receiver_id and its actor in sender_id."""
    event = take(
        {
            "id": "1",
            "source": "s",
            "type": "message_from_buyer",
            "data": {"sender_id": "b", "receiver_id": "c"},
        }
    )

    assert event.recipients == ("c",)
    assert event.actor == "b"


def test_time_is_the_events_own_or_that_of_the_record() -> None:
    """The event's time is used; without one, the time when Kafka got it."""
    assert take(BARE | {"time": "2019-04-08T14:17:37Z"}).time_ms == 1_554_733_057_000
    assert take(BARE, received_ms=5).time_ms == 5


def test_data_may_be_base64() -> None:
    """data_base64 holds JSON."""
    bare = {k: v for k, v in BARE.items() if k != "data"}
    assert take(bare | {"data_base64": base64.b64encode(b'{"lot_id":"7"}').decode()}).data == {"lot_id": "7"}


def test_documented_field_may_be_optional() -> None:
    """Type 16 shows no meta field, yet accepts lot_id."""
    base = {"id": "1", "source": "s", "type": "direct_sale_rejected", "recipients": ["a"]}

    assert take(base).data == {}
    assert take(base | {"data": {"lot_id": "1"}}).data == {"lot_id": "1"}


def deep(levels: int) -> bytes:
    return b'{"a":' * levels + b"1" + b"}" * levels


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "empty"),
        (b"", "empty"),
        (b"{", "invalid_json"),
        (b'{"a":1,}', "invalid_json"),
        (b"{'a':1}", "invalid_json"),
        (b"\xef\xbb\xbf{}", "missing_attribute"),
        (b'{"a":01}', "invalid_json"),
        (b'{"a":1}{"b":2}', "invalid_json"),
        (b'{"a":"\x00"}', "invalid_json"),
        (b'{"a":NaN}', "not_a_number"),
        (b'{"a":-Infinity}', "not_a_number"),
        (b'{"a":1,"a":2}', "duplicate_key"),
        (b'{"a":1,"b":{"c":"x\\":","d":1,"d" :2}}', "duplicate_key"),
        (b'{"a":1,"\\u0061":2}', "duplicate_key"),
        (b'{"a":"\\ud800"}', "lone_surrogate"),
        (b'{"a":"\\udc00x"}', "lone_surrogate"),
        (b'{"a":"\xff"}', "invalid_utf8"),
        (b'{"a":"\xed\xa0\x80"}', "invalid_utf8"),
        (deep(65), "too_deep"),
        (b"[" * 100_000 + b"]" * 100_000, "too_deep"),
        (b"[]", "not_an_object"),
        (b'"x"', "not_an_object"),
        (b" " * (256 * 1024 + 1), "too_large"),
        ({k: v for k, v in BARE.items() if k != "id"}, "missing_attribute"),
        (BARE | {"source": ""}, "missing_attribute"),
        (BARE | {"id": 7}, "invalid_attribute"),
        (BARE | {"id": "a\u2028b"}, "invalid_attribute"),
        (BARE | {"time": "yesterday"}, "invalid_attribute"),
        (BARE | {"time": "2019-04-08T14:17:37"}, "invalid_attribute"),
        (BARE | {"expires": 5}, "invalid_attribute"),
        (BARE | {"recipients": [1]}, "invalid_attribute"),
        (BARE | {"recipients": {"a": 1}}, "invalid_attribute"),
        (BARE | {"data_base64": "%%%", "data": None}, "invalid_attribute"),
        (BARE | {"type": "no_such_type"}, "unknown_type"),
        (BARE | {"data": {}}, "invalid_data"),
        (BARE | {"data": {"lot_id": 7}}, "invalid_data"),
        (BARE | {"data": []}, "invalid_data"),
        ({k: v for k, v in BARE.items() if k != "recipients"}, "missing_audience"),
        ({"id": "1", "source": "s", "type": "payment_failed"}, "missing_audience"),
        ({"id": "1", "source": "s", "type": "invoice_available", "project_id": "p"}, "missing_audience"),
        (BARE | {"specversion": "0.3"}, "unsupported_specversion"),
    ],
)
def test_each_fault_has_its_reason(value: Any, expected: str) -> None:
    """A human reads from the reason what is wrong."""
    assert reason(value) == expected


def test_batches_and_foreign_formats_are_refused_by_content_type() -> None:
    """Kafka carries one event a record, and its data is JSON."""
    assert reason(BARE, {"content-type": "application/cloudevents-batch+json"}) == "unsupported_content_type"
    assert reason(b"<a/>", {"ce_id": "1", "content-type": "application/xml"}) == "unsupported_content_type"


def test_a_quote_before_a_colon_inside_a_string_is_no_key() -> None:
    """The fast check for duplicate keys uses the slow parser when in doubt, and its result counts."""
    assert take(BARE | {"data": {"lot_id": 'a":b" : c'}}).data["lot_id"] == 'a":b" : c'


@pytest.mark.conformance(
    "CloudEvents 1.0.2",
    "5 size limits",
    "Events up to 256 KiB are taken, four times what a consumer should take.",
)
def test_limits_are_inclusive() -> None:
    """An event of exactly 256 KiB passes."""
    empty = len(json.dumps(BARE | {"pad": ""}).encode())

    assert take(BARE | {"pad": "x" * (256 * 1024 - empty)}).id == "1"


def test_an_explicitly_empty_audience_is_accepted() -> None:
    """No recipients on purpose is not the same as no recipients named."""
    assert take(BARE | {"recipients": []}).recipients == ()
