"""The HTTP protocol binding of CloudEvents 1.0.2: `POST /v1/events`."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import orjson
import pytest

from service.pipeline.resolve.strict_json import MAX_BYTES
from tests.conformance.support import EVENT
from tests.support.api_fixture import ApiFixture, fake_api
from tests.support.cost_growth import cpu_s

STRUCTURED, BATCH = "application/cloudevents+json", "application/cloudevents-batch+json"
DATA = b'{"lot_id":"7"}'
BINARY = {
    "ce-specversion": "1.0",
    "ce-id": "1",
    "ce-source": "/s",
    "ce-type": "winner",
    "ce-recipients": "alice",
}


@pytest.fixture
async def api() -> AsyncIterator[ApiFixture]:
    async with fake_api() as api:
        yield api


async def post(
    api: ApiFixture, content: Any, headers: Mapping[str, str | bytes], *more: tuple[str, str]
) -> Any:
    body = content if isinstance(content, bytes) else orjson.dumps(content)
    pairs = [*api.bearer("shop", "events").items(), *headers.items(), *more]
    encoded = [(name.encode(), text.encode() if isinstance(text, str) else text) for name, text in pairs]
    return await api.client.post("/v1/events", content=body, headers=encoded)


def published(api: ApiFixture) -> dict[str, bytes]:
    (message,) = api.publisher.messages
    return {name: content or b"" for name, content in message.headers}


@pytest.mark.conformance(
    "CloudEvents HTTP binding 1.0.2", "3 modes", "The content type decides: structured, batched, else binary."
)
async def test_modes(api: ApiFixture) -> None:
    """Bare JSON, with any other content type and no ce- header, has the same fields."""
    for headers in ({"content-type": STRUCTURED}, {"content-type": "application/json"}, {}):
        assert (await post(api, dict(EVENT), headers)).status_code == 202
    for content_type in (
        "application/json",
        "application/json; charset=UTF-8",
        "text/plain",
        "application/*+json",
    ):
        assert (await post(api, DATA, {**BINARY, "content-type": content_type})).status_code == 202
    assert (await post(api, DATA, BINARY)).status_code == 202
    assert (await post(api, [dict(EVENT)], {"content-type": BATCH})).status_code == 202
    for content_type in ("application/xml", "application/cloudevents+xml", "application/cloudevents+avro"):
        assert (await post(api, DATA, {**BINARY, "content-type": content_type})).status_code == 415


@pytest.mark.conformance(
    "CloudEvents HTTP binding 1.0.2",
    "3.1.3.2 header values",
    "A quoted value is unquoted, then percent-decoded once. UTF-8 and ISO 8859-1 without encoding are read too.",
)
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        *(
            ("caf%C3%A9", "café"),
            ("Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro € 😀"),
            ("%25", "%"),
            ("%2541", "%41"),
        ),
        *(('"quoted"', "quoted"), (r'"a \"b\" \\ c"', r'a "b" \ c'), ('"caf%C3%A9 x"', "café x"), ('"', '"')),
        *(
            (b"caf\xc3\xa9", "café"),
            (b"caf\xe9", "café"),
            ("100%", "100%"),
            ("%zz", "%zz"),
            ("%e2%82%ac", "€"),
        ),
    ],
)
async def test_header_values(api: ApiFixture, value: str | bytes, expected: str) -> None:
    """The record carries UTF-8, as the Kafka binding has it."""
    answer = await post(api, DATA, {**BINARY, "ce-subject": value, "ce-id": value})

    assert (answer.status_code, answer.json()["accepted"][0]["id"]) == (202, expected)
    assert published(api)["ce_subject"] == expected.encode()


async def test_header_values_that_are_refused(api: ApiFixture) -> None:
    """Bytes that are no UTF-8 after decoding, control characters, and an attribute that is there twice."""
    for value in ("%FF", "%00", "a%0Ab", "%ED%A0%80"):
        answer = await post(api, DATA, {**BINARY, "ce-id": value})
        assert (answer.status_code, answer.json()["reason"]) in (
            (422, "invalid_utf8"),
            (422, "invalid_attribute"),
        )
    twice = await post(api, DATA, BINARY, ("ce-id", "2"))
    assert (twice.status_code, twice.json()["reason"]) == (422, "invalid_attribute")
    assert not api.publisher.messages


@pytest.mark.conformance(
    "CloudEvents HTTP binding 1.0.2",
    "3.3 batched mode",
    "An array of events, maybe empty, taken as a whole or not at all.",
)
async def test_batches(api: ApiFixture) -> None:
    """The first event that is refused is named by its index."""
    headers = {"content-type": BATCH}
    events = [{**EVENT, "id": str(n)} for n in range(500)]
    answer = await post(api, events, headers)
    assert [one["id"] for one in answer.json()["accepted"]] == [str(n) for n in range(500)]
    assert len(api.publisher.messages) == 500
    empty = await post(api, [], headers)
    assert (empty.status_code, empty.json()) == (202, {"accepted": []})

    bad = await post(api, [*events, {**EVENT, "time": "2026-W48-4T10:00:00Z"}], headers)
    assert (bad.status_code, bad.json()["index"], bad.json()["reason"]) == (422, 500, "invalid_attribute")
    large = await post(
        api, [{**EVENT, "subject": None, "data": {"lot_id": "1", "x": "y" * MAX_BYTES}}], headers
    )
    assert (large.status_code, large.json()["index"]) == (413, 0)
    assert (await post(api, dict(EVENT), headers)).status_code == 400
    assert len(api.publisher.messages) == 500


@pytest.mark.conformance(
    "CloudEvents HTTP binding 1.0.2",
    "responses",
    "202 once Kafka has the events; 413 for a size, 415 for a format, 422 for anything else that is refused.",
)
@pytest.mark.parametrize(
    ("content", "status", "reason"),
    [
        *((b"\xef\xbb\xbf" + orjson.dumps(dict(EVENT)), 202, None), (b"{", 422, "invalid_json")),
        *(
            (b'{"a":1,"a":2}', 422, "duplicate_key"),
            (b"\x00\x00\x00\x00\x01{}", 422, "schema_registry_framing"),
        ),
        *((b'{"a":18446744073709551616}', 422, "number_out_of_range"), (b"", 422, "empty")),
        (b"[" + b",".join([b"[]"] * 70_000) + b"]", 413, "too_large"),
        (b'"' + b"x" * MAX_BYTES + b'"', 413, "too_large"),
    ],
)
async def test_responses(api: ApiFixture, content: bytes, status: int, reason: str | None) -> None:
    """The reason is that of the dead letter that a record would become."""
    answer = await post(api, content, {"content-type": STRUCTURED})
    assert answer.status_code == status
    assert answer.json().get("reason") == reason


async def test_a_costly_body_is_refused_at_once(api: ApiFixture) -> None:
    """A megabyte of duplicate keys or of empty arrays holds up no other request."""
    from service.api.protocol.connection_limits import MAX_BODY_BYTES
    from service.pipeline.resolve.strict_json import loads

    bodies = [
        b"[" + b",".join([b'{"a":1,"a":2}'] * 60_000)[: MAX_BODY_BYTES - 20].rpartition(b",")[0] + b"]",
        b"[" + b"[],[{}]," * 120_000 + b"[]]",
    ]
    for body in bodies:
        answer = await post(api, body[:MAX_BODY_BYTES], {"content-type": BATCH})
        assert answer.status_code in (413, 422)
        assert cpu_s(lambda body=body: _refused(loads, body), 3) < 0.1


def _refused(loads: Any, body: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        loads(body, len(body))
