"""The Kafka protocol binding of CloudEvents 1.0.2."""

import json

import pytest

from tests.conformance.support import ATTRIBUTES, BINARY, DATA, EVENT, STRUCTURED, reason, take


@pytest.mark.conformance(
    "CloudEvents Kafka binding 1.0.2",
    "3 modes",
    "The content type decides: structured, else binary where there are ce_ headers.",
)
def test_the_three_forms_mean_the_same() -> None:
    """Bare JSON, without any header, has the same fields."""
    assert take(DATA, BINARY) == take(EVENT, STRUCTURED) == take(EVENT, {})


@pytest.mark.conformance(
    "CloudEvents Kafka binding 1.0.2",
    "3.2.1 content-type",
    "The type of the data. JSON where it is absent or null.",
)
@pytest.mark.parametrize(
    "content_type",
    [
        *(None, "", "application/json", "application/json; charset=utf-8", "APPLICATION/JSON", "text/json"),
        *("text/plain", "application/octet-stream", "application/vnd.acme+json", "application/*+json"),
    ],
)
def test_content_types_of_the_data(content_type: str | None) -> None:
    """Spring and Dapr write some of these for JSON."""
    assert take(DATA, {**ATTRIBUTES, "content-type": content_type}).data == DATA


@pytest.mark.parametrize(
    "content_type", ["application/xml", "application/avro", "application/x-protobuf", "image/png"]
)
def test_data_that_is_no_json(content_type: str) -> None:
    """The reason is the content type, not a syntax error."""
    assert reason(DATA, {**ATTRIBUTES, "content-type": content_type}) == "unsupported_content_type"


@pytest.mark.conformance(
    "CloudEvents Kafka binding 1.0.2",
    "3.2.2 data",
    "The value of the record. Without a value there is no data.",
)
def test_the_data_is_the_value() -> None:
    """`ce_data` and `ce_data_base64` are no attributes."""
    assert reason(None, BINARY) == reason(b"", BINARY) == "invalid_data"
    assert reason(None, {**BINARY, "ce_data_base64": "eyJsb3RfaWQiOiI3In0="}) == "invalid_data"
    assert take(DATA, {**BINARY, "ce_data": "x"}).data == DATA
    assert take(b"\xef\xbb\xbf" + json.dumps(DATA).encode(), BINARY).data == DATA
    assert reason(b"\x00\x00\x00\x00\x01" + json.dumps(DATA).encode(), BINARY) == "schema_registry_framing"


@pytest.mark.conformance(
    "CloudEvents Kafka binding 1.0.2",
    "3.2.3.1 header names",
    "ce_ and the name; letters may be of either case.",
)
def test_header_names() -> None:
    """Proxies change the case of header names."""
    assert take(DATA, {name.upper(): text for name, text in BINARY.items()}) == take(DATA, BINARY)


@pytest.mark.conformance(
    "CloudEvents Kafka binding 1.0.2",
    "3.2.3.2 header values",
    "UTF-8, as it is; null is unset; bytes that are not UTF-8 are refused.",
)
def test_header_values() -> None:
    """No quoting and no percent-encoding: both are text here."""
    assert take(DATA, {**BINARY, "ce_id": "ä%20"}).id == "ä%20"
    assert take(DATA, {**BINARY, "ce_id": '"1"'}).id == '"1"'
    assert take(DATA, {**BINARY, "ce_time": None, "content-type": None}) == take(DATA, BINARY)
    assert reason(DATA, {**BINARY, "ce_id": b"\xff"}) == "invalid_utf8"
    assert take(DATA, {**BINARY, "x-trace": b"\xff"}).id == "1"


def test_an_attribute_that_is_there_twice() -> None:
    """Kafka allows a header twice; which one would count?"""
    assert reason(DATA, {**BINARY, "CE_ID": "2"}) == "invalid_attribute"
    assert take(DATA, {**BINARY, "CE_ID": None}).id == "1"


def test_headers_that_spring_has_mapped() -> None:
    """Spring for Apache Kafka may write text as a JSON string, and says so in a header; it has `contentType`."""
    mapped = {name: f'"{text}"' for name, text in ATTRIBUTES.items()}
    types = json.dumps(dict.fromkeys(mapped, "java.lang.String"))
    headers = {**mapped, "contentType": '"application/json"', "spring_json_header_types": types}
    assert take(DATA, headers) == take(DATA, BINARY)
    assert take(EVENT, {"contentType": "application/cloudevents+json;charset=UTF-8"}) == take(EVENT)


@pytest.mark.conformance(
    "CloudEvents Kafka binding 1.0.2",
    "3.3 structured mode",
    "The value is the event. A record without a value is refused.",
)
def test_structured_mode() -> None:
    """A tombstone is no event."""
    assert take(EVENT, STRUCTURED).id == "1"
    assert reason(None, STRUCTURED) == reason(b"", STRUCTURED) == reason(None, {}) == "empty"


def test_recipients_as_text() -> None:
    """A header holds text: ids with commas between them, or a JSON array."""
    for text in ("alice,bob", " alice , bob ", '["alice","bob"]', '["alice", "bob", "alice"]'):
        assert take(DATA, {**BINARY, "ce_recipients": text}).recipients == ("alice", "bob")
    for text in ("alice,,bob", ",", "[1]", '["a', "[" * 10_000):
        assert reason(DATA, {**BINARY, "ce_recipients": text}) in (
            "invalid_attribute",
            "invalid_json",
            "too_deep",
        )


def test_the_number_of_recipients() -> None:
    """20,000 of them, each once, are the most that one event names."""
    ids = [f"r{n}" for n in range(20_000)]
    assert len(take({**EVENT, "recipients": [*ids, *ids[:5_000]]}).recipients or ()) == 20_000
    assert reason({**EVENT, "recipients": [*ids, "one-more"]}) == "invalid_attribute"
