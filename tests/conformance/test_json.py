"""RFC 8259: JSON of events has one meaning; what has none, or several, is refused with a reason."""

from typing import Any

import orjson
import pytest

from service.model.event import InvalidEvent
from service.pipeline.resolve.strict_json import MAX_CONTAINERS, loads
from tests.conformance.support import EVENT, reason, refusal, take


def refused(value: bytes) -> InvalidEvent:
    with pytest.raises(InvalidEvent) as caught:
        loads(value)
    return caught.value


def with_number(digits: str) -> bytes:
    return orjson.dumps(EVENT | {"data": {"lot_id": "7", "n": "@"}}).replace(b'"@"', digits.encode())


@pytest.mark.conformance("RFC 8259", "8.1 byte-order mark", "A byte-order mark is ignored.")
def test_a_byte_order_mark_is_ignored() -> None:
    """Windows tools write one."""
    assert take(b"\xef\xbb\xbf" + orjson.dumps(dict(EVENT))).id == "1"
    assert loads(b"\xef\xbb\xbf{}") == {}
    assert refused(b"\xef\xbb\xbf\xef\xbb\xbf{}").reason == "invalid_json"


@pytest.mark.conformance("RFC 8259", "8.1 UTF-8", "Bytes that are not UTF-8 are refused, UTF-16 among them.")
@pytest.mark.parametrize(
    "value", [b'"\xff"', b'"\xed\xa0\x80"', b'"\xc0\x80"', b'"\xf4\x90\x80\x80"', '{"a":1}'.encode("utf-16")]
)
def test_bytes_that_are_not_utf8(value: bytes) -> None:
    """Overlong forms and encoded surrogates are not UTF-8 either."""
    assert refused(value).reason == "invalid_utf8"


@pytest.mark.conformance("RFC 8259", "8.2 surrogates", "An escape of half a surrogate pair is refused.")
@pytest.mark.parametrize(
    "text", [rb"\ud800", rb"\udc00", rb"\ud800\ud800", rb"\ud800x", rb"\udc00\ud800", rb"\uD83D\u0041"]
)
def test_half_surrogate_pairs(text: bytes) -> None:
    """No reader can encode it."""
    assert refused(b'{"a":"' + text + b'"}').reason == "lone_surrogate"
    assert loads(rb'"\ud83d\ude00"') == "😀"


@pytest.mark.conformance("RFC 8259", "4 names", "An object that has a name twice is refused.")
@pytest.mark.parametrize(
    "value",
    [
        *(
            b'{"a":1,"a":1}',
            b'{"a":1,"\\u0061":2}',
            b'[{"x":{"b":1,"b" :2}}]',
            b'{"":0,"":0}',
            b'{"a":{},"a":[]}',
        ),
        *(b'{"x":"\\":","a":1,"a":1}', b'{":":1,":":2}', b'{"\\\\":1,"\\\\":2}', b'{"\\"":1,"\\"":2}'),
        b"{" + b",".join([b'"a":1'] * 40_000) + b"}",
    ],
)
def test_a_name_twice(value: bytes) -> None:
    """Readers take the first, the last, or both."""
    assert refused(value).reason == "duplicate_key"


def test_the_duplicate_name_is_in_the_detail() -> None:
    """An engineer finds the mistake; a large event's is only named by its reason."""
    assert refused(b'{"a":1,"b":[{"c":1,"c":2}]}').detail == "'c'"


@pytest.mark.parametrize(
    "value",
    [
        *(
            b'{"a":":","b":"x\\":"}',
            b'["a",":"]',
            b'[":",":"]',
            b'["\\\\",":","\\":"]',
            b'{"a" \n:\t": :"}',
            b'":"',
        ),
        *(b'{"a\\"":{"a\\"":1}}', b'{"a\\\\":1,"a":2}', b'["\\\\\\"",": "]'),
    ],
)
def test_colons_and_quotes_in_strings_are_no_names(value: bytes) -> None:
    """Text may look like a name."""
    assert loads(value) == orjson.loads(value)


@pytest.mark.conformance(
    "RFC 8259",
    "6 integers",
    "An integer of 64 bits, with or without a sign, is kept exactly; a larger one is refused, and never rounded.",
)
@pytest.mark.parametrize("number", [2**53 + 1, 2**63 - 1, -(2**63), 2**64 - 1, 10**18, -(10**18)])
def test_integers_of_64_bits_are_exact(number: int) -> None:
    """JavaScript rounds above 2^53; Tocsin does not."""
    event = take(with_number(str(number)))
    assert event.data["n"] == number
    assert type(event.data["n"]) is int


@pytest.mark.parametrize(
    "digits",
    [str(2**64), str(-(2**63) - 1), "1" * 40, "9" * 4_000, "9" * 100_000, f"[1,{2**70}]", f"[ {2**70} ]"],
)
def test_larger_integers_are_refused(digits: str) -> None:
    """18446744073709551616 would silently become 18446744073709552000."""
    assert reason(with_number(digits)) == "number_out_of_range"


@pytest.mark.parametrize(
    "text", [f'"{2**70}"', f'"x,{2**70}"', f'"\\",{2**70}"', "1.00000000000000000000", "1e30"]
)
def test_digits_in_strings_and_fractions_are_no_integers(text: str) -> None:
    """Only an integer has a value that is lost by rounding."""
    assert take(with_number(text)).data["n"] == orjson.loads(text)


@pytest.mark.conformance(
    "RFC 8259", "6 numbers", "A number that no double can hold is refused, as NaN and Infinity are."
)
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *(("1e400", "number_out_of_range"), ("-1E+999999999999", "number_out_of_range")),
        *(("NaN", "not_a_number"), ("Infinity", "not_a_number"), ("-Infinity", "not_a_number")),
        *(("01", "invalid_json"), ("1.", "invalid_json"), (".5", "invalid_json"), ("+1", "invalid_json")),
        *(("0x10", "invalid_json"), ("-", "invalid_json"), ("nan", "invalid_json"), ("1e", "invalid_json")),
    ],
)
def test_what_is_no_number(text: str, expected: str) -> None:
    """Each has its reason."""
    assert reason(with_number(text)) == expected


@pytest.mark.conformance(
    "RFC 8259", "9 depth", "64 levels of objects and arrays are taken, more are refused."
)
def test_depth() -> None:
    """A reader's stack ends somewhere."""
    assert loads(b"[" * 64 + b"]" * 64)
    for levels in (65, 1024, 1025, 100_000):
        assert refused(b"[" * levels + b"]" * levels).reason == "too_deep"
        assert (
            refused(b'{"a":' * min(levels, 40_000) + b"1" + b"}" * min(levels, 40_000)).reason == "too_deep"
        )


def test_the_number_of_objects_and_arrays_is_limited() -> None:
    """They cost the most for their bytes. Brackets in text do not count."""
    assert len(loads(b"[" + b",".join([b"[]"] * (MAX_CONTAINERS - 1)) + b"]")) == MAX_CONTAINERS - 1
    assert refused(b"[" + b",".join([b"{}"] * MAX_CONTAINERS) + b"]").reason == "too_large"
    assert loads(b'["' + b"[{" * MAX_CONTAINERS + b'"]') == ["[{" * MAX_CONTAINERS]


@pytest.mark.conformance("RFC 8259", "2 grammar", "What some parsers accept beyond the grammar is refused.")
@pytest.mark.parametrize(
    "value",
    [
        b'{"a":1,}',
        b"{'a':1}",
        b"{a:1}",
        b'{"a":1}{}',
        b"// x\n{}",
        b'{"a":"\t"}',
        b'["\\x41"]',
        b"{",
        b"[1 2]",
        b"",
        b"\xa0{}",
    ],
)
def test_extensions_of_json(value: bytes) -> None:
    """Comments, trailing commas, single quotes, control characters."""
    assert refused(value).reason in ("invalid_json", "invalid_utf8")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (b"\x00\x00\x00\x00\x2a" + orjson.dumps(dict(EVENT)), "schema id"),
        (b"\x00\x00\x00\xff\xfe\x02\x06abc", "schema id"),
        (b"\x03\x00" + b"\x99" * 16 + b"\x02\x06abc", "AWS Glue"),
        (b"\x03\x05" + bytes(16) + orjson.dumps(dict(EVENT)), "AWS Glue"),
    ],
)
def test_a_schema_registrys_framing_is_named(value: bytes, words: str) -> None:
    """An engineer who sees `invalid_json` would look for a mistake in the JSON."""
    error = refusal(value, {})
    assert error.reason == "schema_registry_framing"
    assert words in error.detail


def test_short_binary_values_are_no_framing() -> None:
    """A zero byte alone says nothing."""
    for value in (b"\x00", b"\x00\x01\x02", b"\x00\x00\x00\x00\x01"):
        assert refused(value).reason == "invalid_json"


def test_every_message_of_the_parser_is_known() -> None:
    """The reasons are taken from the parser's messages; a parser that words them otherwise is found here."""
    samples: list[tuple[bytes, Any]] = [
        (b'["\\ud800"]', "lone_surrogate"),
        (b'["\\udc00"]', "lone_surrogate"),
        (b'["\\ud800\\u0041"]', "lone_surrogate"),
        (b"[1e999]", "number_out_of_range"),
        (b"[" * 2000, "too_deep"),
        (b"[-Infinity]", "not_a_number"),
        (b'["\xc3\xa4", NaN]', "not_a_number"),
    ]
    assert [refused(value).reason.value for value, _ in samples] == [expected for _, expected in samples]
