"""The JSON format of CloudEvents 1.0.2: structured mode."""

import base64
import json
from typing import Any

import pytest

from tests.conformance.support import EVENT, STRUCTURED, reason, take

NO_DATA: dict[str, Any] = {name: value for name, value in EVENT.items() if name != "data"}


def encoded(value: Any) -> str:
    return base64.b64encode(value if isinstance(value, bytes) else json.dumps(value).encode()).decode()


@pytest.mark.conformance(
    "CloudEvents JSON format 1.0.2",
    "2.2 type mapping",
    "A null member is unset; numbers, booleans and text are attributes.",
)
def test_null_members_are_unset() -> None:
    """`null` and absent mean the same."""
    assert take({**EVENT, "subject": None, "region": None}) == take(EVENT)


@pytest.mark.conformance(
    "CloudEvents JSON format 1.0.2", "3.1 data", "An object. Without data, or with null, it is empty."
)
def test_data() -> None:
    """Fields that the type requires are checked."""
    assert take(EVENT).data == {"lot_id": "7"}
    assert (
        reason(NO_DATA) == reason({**EVENT, "data": None}) == reason({**EVENT, "data": {}}) == "invalid_data"
    )
    assert [reason({**EVENT, "data": value}) for value in ([], "x", 1, True)] == ["invalid_data"] * 4


@pytest.mark.conformance(
    "CloudEvents JSON format 1.0.2",
    "3.1 data in text",
    "Where datacontenttype is not JSON, a text is read as JSON; it is not where datacontenttype is JSON or absent.",
)
def test_json_in_a_text() -> None:
    """Dapr publishes text/plain by default."""
    text = json.dumps({"lot_id": "7"})
    for kind in ("text/plain", "text/plain; charset=utf-8", "application/octet-stream"):
        assert take({**EVENT, "datacontenttype": kind, "data": text}).data == {"lot_id": "7"}
        assert reason({**EVENT, "datacontenttype": kind, "data": "hello"}) == "invalid_json"
    for kind in (
        None,
        "application/json",
        "text/json",
        "application/vnd.x+json; charset=utf-8",
        "APPLICATION/JSON",
    ):
        assert reason({**EVENT, "datacontenttype": kind, "data": text}) == "invalid_data"


@pytest.mark.conformance(
    "CloudEvents JSON format 1.0.2",
    "3.1.1 data_base64",
    "Base64 of JSON; beside it, data may be null and nothing else.",
)
def test_data_base64() -> None:
    """One of the two carries the data."""
    for beside in ({}, {"data": None}):
        assert take({**NO_DATA, **beside, "data_base64": encoded({"lot_id": "7"})}).data == {"lot_id": "7"}
    assert take({**EVENT, "data_base64": None}).data == {"lot_id": "7"}
    assert reason({**EVENT, "data_base64": encoded({"lot_id": "7"})}) == "invalid_attribute"
    bom = encoded(b"\xef\xbb\xbf" + b'{"lot_id":"7"}')
    assert take({**NO_DATA, "data_base64": bom}).data == {"lot_id": "7"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *(("%%%", "invalid_attribute"), ("e30", "invalid_attribute"), ("e3\n0=", "invalid_attribute")),
        *((5, "invalid_attribute"), ("é", "invalid_attribute"), (True, "invalid_attribute")),
        *(
            (encoded(b"\x00\x01"), "invalid_json"),
            (encoded([]), "invalid_data"),
            (encoded(b'{"a":1,"a":2}'), "duplicate_key"),
        ),
        ("", "invalid_json"),
    ],
)
def test_data_base64_that_is_none(text: Any, expected: str) -> None:
    """Each fault has its reason."""
    assert reason({**NO_DATA, "data_base64": text}) == expected


@pytest.mark.conformance(
    "CloudEvents JSON format 1.0.2",
    "3 envelope",
    "application/cloudevents+json in any case, with a charset of UTF-8 or without.",
)
@pytest.mark.parametrize(
    "content_type",
    [
        *(
            "application/cloudevents+json",
            "application/cloudevents+json; charset=UTF-8",
            "Application/CloudEvents+JSON",
        ),
        *('application/cloudevents+json;charset="utf-8"', "application/cloudevents+json ; charset=utf8; x=y"),
        *(
            "application/cloudevents+json;charset=us-ascii",
            "application/cloudevents+json; charset=ISO-8859-1",
        ),
    ],
)
def test_media_type_of_structured_mode(content_type: str) -> None:
    """ASCII is the same in each of these charsets."""
    assert take(EVENT, {"content-type": content_type}) == take(EVENT)


def test_other_charsets() -> None:
    """JSON is UTF-8; bytes of another charset would be shown as other characters."""
    value = json.dumps({**EVENT, "subject": "ä"}, ensure_ascii=False)
    for charset in ("ISO-8859-1", "windows-1252", "utf-16"):
        headers = {"content-type": f"application/cloudevents+json; charset={charset}"}
        assert reason(value.encode(), headers) == "unsupported_content_type"
    assert take(value.encode()).id == "1"


@pytest.mark.conformance(
    "CloudEvents JSON format 1.0.2",
    "2 other formats",
    "Avro, Protobuf and XML are refused by their media type.",
)
@pytest.mark.parametrize("kind", ["+avro", "+protobuf", "+xml", "-batch+json", "", "+json-seq", "+jsonx"])
def test_other_formats(kind: str) -> None:
    """A record holds one event in JSON."""
    assert reason(EVENT, {"content-type": f"application/cloudevents{kind}"}) == "unsupported_content_type"


def test_structured_mode_wins_over_attributes_in_headers() -> None:
    """The content type decides; some SDKs copy attributes into headers too."""
    assert take(EVENT, {**STRUCTURED, "ce_id": "other", "ce_type": "other"}) == take(EVENT)
