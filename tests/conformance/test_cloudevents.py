"""CloudEvents 1.0.2 core: attributes, their types and values."""

from typing import Any

import pytest

from service.model.event import ClockBound, InvalidEvent
from tests.conformance.support import (
    ATTRIBUTES,
    BINARY,
    DATA,
    EVENT,
    NOW_MS,
    STRUCTURED,
    reason,
    refusal,
    take,
)


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in EVENT.items() if key != name}


@pytest.mark.conformance(
    "CloudEvents 1.0.2",
    "3.1.1 id, source, type",
    "An event without one of them, or with an empty one, is refused.",
)
@pytest.mark.parametrize("name", ["id", "source", "type"])
def test_required_attributes(name: str) -> None:
    """Absent, null and empty are the same."""
    assert (
        reason(without(name))
        == reason({**EVENT, name: None})
        == reason({**EVENT, name: ""})
        == "missing_attribute"
    )
    headers = {key: value for key, value in BINARY.items() if key != f"ce_{name}"}
    assert reason(DATA, headers) == reason(DATA, {**headers, f"ce_{name}": None}) == "missing_attribute"


@pytest.mark.conformance("CloudEvents 1.0.2", "3.1.1 id", "Source and id together identify an event.")
def test_source_and_id_identify_an_event() -> None:
    """The same id of two sources is two events."""
    assert take(EVENT).key == take({**EVENT, "data": {"lot_id": "8"}}).key
    assert (
        len(
            {take({**EVENT, "source": source}).key for source in ("/a", "/b", "urn:x", "https://a.example/b")}
        )
        == 4
    )


@pytest.mark.conformance(
    "CloudEvents 1.0.2", "3.1.1 specversion", "Absent, it is taken as 1.0; any other version is refused."
)
@pytest.mark.parametrize("version", ["0.3", "1.1", "2.0", "1", "", 1.0, 1])
def test_other_versions(version: Any) -> None:
    """A later version may have another meaning."""
    assert reason({**EVENT, "specversion": version}) == "unsupported_specversion"
    assert (
        take(without("specversion"), {})
        == take(without("specversion"))
        == take({**EVENT, "specversion": None})
    )


@pytest.mark.conformance(
    "CloudEvents 1.0.2",
    "3 naming conventions",
    "A name with other characters than a-z and 0-9 is refused, except ours with an underscore; not in bare JSON.",
)
def test_names_of_attributes() -> None:
    """Header names are compared without regard to case, because HTTP does that."""
    for name in ("traceId", "my-ext", "my_ext", "", "é", "a" * 129):
        assert reason({**EVENT, name: "x"}) == "invalid_attribute"
        assert take({**EVENT, name: "x"}, {"content-type": "application/json"}).extensions == {name: "x"}
    assert take({**EVENT, "external_id": "1", "project_id": "2", "supersede_key": "3"}).external_id == "1"
    assert take(DATA, {**ATTRIBUTES, "ce_Region": "eu"}).extensions == {"region": "eu"}
    assert reason(DATA, {**BINARY, "ce_my-ext": "x"}) == "invalid_attribute"


@pytest.mark.conformance(
    "CloudEvents 1.0.2", "3.1 attributes", "Up to 256 attributes, 256 KiB of headers; more are refused."
)
def test_the_number_of_attributes() -> None:
    """Extensions are for the few, not for data."""
    many = {f"x{n}": "1" for n in range(250)}
    assert len(take({**EVENT, **many}).extensions) == 250
    assert reason({**EVENT, **{f"x{n}": "1" for n in range(251)}}) == "invalid_attribute"
    assert reason(DATA, {**BINARY, **{f"ce_x{n}": "1" for n in range(300)}}) == "invalid_attribute"
    assert reason(DATA, {**BINARY, "ce_x": "y" * 262_144}) == "too_large"
    assert take(DATA, {**BINARY, "other": "y" * 262_144}).id == "1"


@pytest.mark.conformance(
    "CloudEvents 1.0.2",
    "2.3 String",
    "Text with a control character, half a surrogate pair or a noncharacter is refused.",
)
@pytest.mark.parametrize(
    "text", ["a\x00", "a\nb", "\x7f", "\x85", "\ufdd0", "a\uffff", "\U0010ffff", "a\u2028b"]
)
def test_what_text_may_not_hold(text: str) -> None:
    """Such a text breaks a header, a log line or a terminal."""
    for name in ("id", "source", "subject", "account", "actor", "supersedekey"):
        assert reason({**EVENT, name: text}) == "invalid_attribute"
    assert reason({**EVENT, "recipients": [text]}) == "invalid_attribute"


@pytest.mark.parametrize(
    "text",
    [
        "ä ö",
        "日本",
        "👩‍👩‍👧",
        "\u00a0",
        "\u200d",
        "\U0001fae8",
        "\ue000",
        "a b",
        "%20",
        '"',
        "\\",
        "<b>",
        "x" * 1024,
    ],
)
def test_what_text_may_hold(text: str) -> None:
    """Joiners, private characters and characters that are newer than this Python are text."""
    assert take({**EVENT, "id": text, "subject": text}).id == text
    assert take(DATA, {**BINARY, "ce_id": text}).id == text


@pytest.mark.conformance(
    "CloudEvents 1.0.2",
    "2.3 types",
    "An attribute that is an object or array is refused; recipients may be an array.",
)
@pytest.mark.parametrize("value", [{}, {"a": 1}, [], ["a"]])
def test_attributes_are_simple_values(value: Any) -> None:
    """Boolean, number and text are taken."""
    assert reason({**EVENT, "region": value}) == "invalid_attribute"
    assert take({**EVENT, "flag": True, "count": 3, "region": "eu"}).extensions == {
        "flag": True,
        "count": 3,
        "region": "eu",
    }


@pytest.mark.conformance(
    "CloudEvents 1.0.2",
    "3.1.2 subject, datacontenttype, dataschema",
    "Not used; one that is empty or no text is refused.",
)
@pytest.mark.parametrize("name", ["subject", "datacontenttype", "dataschema", "partitionkey"])
def test_optional_attributes(name: str) -> None:
    """Null is unset."""
    assert take({**EVENT, name: "application/json"}).id == take({**EVENT, name: None}).id == "1"
    assert reason({**EVENT, name: ""}) == reason({**EVENT, name: 5}) == "invalid_attribute"


@pytest.mark.conformance(
    "CloudEvents 1.0.2",
    "3.1.2 time",
    "RFC 3339; absent, it is the time of the receipt, which is also the latest.",
)
def test_time() -> None:
    """An event cannot happen after it was received, whatever its producer's clock says."""
    assert take({**EVENT, "time": "2026-11-01T00:00:00Z"}).time_ms == 1_793_491_200_000
    assert take(EVENT).time_ms == take({**EVENT, "time": None}).time_ms == NOW_MS
    late = take({**EVENT, "time": "2099-01-01T00:00:00Z"})
    assert (late.time_ms, late.received_ms, late.stated_ms) == (NOW_MS, NOW_MS, 4_070_908_800_000)
    assert [reason({**EVENT, "time": value}) for value in (5, True, "", "noon")] == ["invalid_attribute"] * 4


def test_the_bound_of_clocks_can_be_set() -> None:
    """Below it an event is not noted; with `refuse`, one above it is refused."""
    minutes_ahead = {n: {**EVENT, "time": f"2026-11-26T12:1{n}:00Z"} for n in range(10)}
    base = take({**EVENT, "time": "2026-11-26T12:10:00Z"}).time_ms
    assert base <= NOW_MS
    far = {**EVENT, "time": "2027-01-01T00:00:00Z"}
    assert take(minutes_ahead[0]).stated_ms is None
    with pytest.raises(InvalidEvent, match="ahead of the clock"):
        take(far, bound=ClockBound(600, refuse=True))
    assert take(far, bound=ClockBound(86_400 * 365)).stated_ms is None


@pytest.mark.conformance(
    "CloudEvents 1.0.2", "3.1 null", "An attribute that is null is unset, in JSON and in headers."
)
@pytest.mark.parametrize(
    "name",
    [
        *(
            "specversion",
            "subject",
            "datacontenttype",
            "dataschema",
            "time",
            "expires",
            "expirytime",
            "account",
        ),
        *(
            "external_id",
            "project_id",
            "actor",
            "supersedekey",
            "traceparent",
            "partitionkey",
            "region",
            "data_base64",
        ),
    ],
)
def test_null_is_unset(name: str) -> None:
    """SDKs in languages with null write it."""
    assert take({**EVENT, name: None}) == take(EVENT)
    assert take(DATA, {**BINARY, f"ce_{name}": None}) == take(DATA, BINARY)


@pytest.mark.conformance(
    "CloudEvents extension: Expiry Time", "expirytime", "A delivery that is not made by then ends as expired."
)
def test_expirytime_is_the_deadline() -> None:
    """Our own name for it is `expires`, which has precedence."""
    assert take({**EVENT, "expirytime": "2026-01-01T00:00:00Z"}).expires_ms == 1_767_225_600_000
    assert take(DATA, {**BINARY, "ce_expirytime": "2026-01-01T00:00:00Z"}).expires_ms == 1_767_225_600_000
    both = take({**EVENT, "expirytime": "2026-01-01T00:00:00Z", "expires": "2026-01-02T00:00:00Z"})
    assert both.expires_ms == 1_767_312_000_000
    assert take({**EVENT, "expirytime": "9999-12-31T23:59:59.9999999Z"}).expires_ms == 9_214_646_399_999
    assert take({**EVENT, "expirytime": "0001-01-01T00:00:00Z"}).expires_ms == 0
    assert reason({**EVENT, "expirytime": "soon"}) == "invalid_attribute"


@pytest.mark.conformance(
    "CloudEvents extension: Distributed Tracing",
    "traceparent",
    "Continues the trace; one that is not well-formed is ignored.",
)
def test_traceparent() -> None:
    """It is in every delivery, so its length is bounded too."""
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    assert take({**EVENT, "traceparent": parent}).traceparent == parent
    assert take(EVENT, {**STRUCTURED, "traceparent": parent}).traceparent == parent
    for text in ("", "00-xyz", parent.upper(), "x" * 100_000, parent + "\n"):
        assert take(EVENT, {**STRUCTURED, "traceparent": text}).traceparent is None


def test_the_reason_names_the_attribute() -> None:
    """A human finds the place."""
    assert refusal({**EVENT, "id": "\x00"}).detail.startswith("id: must be text of at most 1024 characters")
    assert "recipients" in refusal({**EVENT, "recipients": [""]}).detail
