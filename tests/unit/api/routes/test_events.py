"""Events over HTTP: content modes, errors for invalid events, and repeated requests."""

import asyncio
from typing import Any

import orjson
import pytest

from tests.support.api_fixture import ApiFixture

EVENT = {"specversion": "1.0", "id": "1", "source": "/shop", "type": "overbid"}
EVENT |= {"recipients": ["alice"], "data": {"lot_id": "7"}}
STRUCTURED, BATCH = "application/cloudevents+json", "application/cloudevents-batch+json"


async def post(api: ApiFixture, content: bytes, **headers: str) -> Any:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return await api.client.post(
        "/v1/events", content=content, headers={**api.bearer("shop", "events"), **names}
    )


@pytest.mark.parametrize("content_type", [STRUCTURED, f"{STRUCTURED}; charset=utf-8", "application/json"])
async def test_structured_and_bare(api: ApiFixture, content_type: str) -> None:
    """202 with the event's key; the body goes to Kafka unchanged."""
    content = orjson.dumps(EVENT)

    answer = await post(api, content, content_type=content_type)

    assert answer.status_code == 202
    (accepted,) = answer.json()["accepted"]
    assert (accepted["source"], accepted["id"]) == ("/shop", "1")
    (message,) = api.publisher.messages
    assert (message.topic, message.value, message.key) == ("events", content, accepted["key"].encode())
    assert dict(message.headers)["content-type"] == content_type.encode()


async def test_binary(api: ApiFixture) -> None:
    """`ce-` headers become `ce_` headers, percent-decoded; trace context is passed on, credentials are not."""
    answer = await post(
        api,
        b'{"lot_id": "7"}',
        ce_specversion="1.0",
        ce_id="caf%C3%A9",
        ce_source="/shop",
        ce_type="overbid",
        ce_recipients="alice,bob",
        ce_partitionkey="lot-7",
        traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    )

    assert (answer.status_code, answer.json()["accepted"][0]["id"]) == (202, "café")
    (message,) = api.publisher.messages
    headers = dict(message.headers)
    assert (headers["ce_id"], headers["content-type"], message.key) == (
        "café".encode(),
        b"application/json",
        b"lot-7",
    )
    assert set(headers) == {
        "content-type",
        "traceparent",
        *(f"ce_{name}" for name in ("specversion", "id", "source", "type", "recipients", "partitionkey")),
    }


async def test_batch(api: ApiFixture) -> None:
    """A batch is published in order, each event in structured mode."""
    batch = [{**EVENT, "id": str(n)} for n in range(3)]

    answer = await post(api, orjson.dumps(batch), content_type=BATCH)

    assert [row["id"] for row in answer.json()["accepted"]] == ["0", "1", "2"]
    assert [orjson.loads(m.value) for m in api.publisher.messages] == batch
    assert {dict(m.headers)["content-type"] for m in api.publisher.messages} == {STRUCTURED.encode()}


@pytest.mark.parametrize(
    ("content", "status", "reason"),
    [
        (b"", 422, "empty"),
        (b"{", 422, "invalid_json"),
        (b"\xff", 422, "invalid_utf8"),
        (b'{"id": "1", "id": "2"}', 422, "duplicate_key"),
        (b'{"id": NaN}', 422, "not_a_number"),
        (b'{"id": "\\ud800"}', 422, "lone_surrogate"),
        (b"[" * 100_000, 422, "too_deep"),
        (b"[]", 422, "not_an_object"),
        (orjson.dumps({**EVENT, "type": "nope"}), 422, "unknown_type"),
        (orjson.dumps({**EVENT, "id": ""}), 422, "missing_attribute"),
        (orjson.dumps({**EVENT, "data": {"lot_id": 7}}), 422, "invalid_data"),
        (orjson.dumps({**EVENT, "specversion": "0.3"}), 422, "unsupported_specversion"),
        (orjson.dumps({k: v for k, v in EVENT.items() if k != "recipients"}), 422, "missing_audience"),
        (orjson.dumps({**EVENT, "data": {"lot_id": "x" * 300_000}}), 413, "too_large"),
    ],
)
async def test_invalid_events(api: ApiFixture, content: bytes, status: int, reason: str) -> None:
    """An invalid event is refused with the reason that its dead letter would have, and is not published."""
    answer = await post(api, content, content_type=STRUCTURED)

    assert (answer.status_code, answer.json().get("reason")) == (status, reason)
    assert not api.publisher.messages


async def test_wrong_content_type(api: ApiFixture) -> None:
    """Content types other than JSON are 415."""
    answer = await post(api, orjson.dumps(EVENT), content_type="application/cloudevents+protobuf")

    assert (answer.status_code, answer.json()["reason"]) == (415, "unsupported_content_type")


@pytest.mark.parametrize("invalid", [{**EVENT, "type": "nope"}, 5, None])
async def test_a_batch_with_an_invalid_event(api: ApiFixture, invalid: Any) -> None:
    """One invalid event, and none is published; the response has its index."""
    answer = await post(api, orjson.dumps([EVENT, invalid]), content_type=BATCH)

    assert (answer.status_code, answer.json()["index"]) == (422, 1)
    assert not api.publisher.messages


@pytest.mark.parametrize(
    ("content", "status"), [(b"{}", 400), (b"[", 422), (b'[{"id": 1, "id": 2}]', 422), (b"[]", 202)]
)
async def test_batch_bodies(api: ApiFixture, content: bytes, status: int) -> None:
    """A batch is a JSON array without duplicate keys in its objects; an empty one is accepted."""
    assert (await post(api, content, content_type=BATCH)).status_code == status


async def test_a_repeated_request(api: ApiFixture) -> None:
    """With the same Idempotency-Key the second request gets the first response and publishes nothing."""
    answers = [await post(api, orjson.dumps(EVENT), idempotency_key="k") for _ in range(2)]

    assert answers[0].content == answers[1].content
    assert [answer.headers.get("idempotency-replayed") for answer in answers] == [None, "true"]
    assert len(api.publisher.messages) == 1


async def test_key_for_another_request(api: ApiFixture) -> None:
    """The same key with another body is 422; the same key of another caller is independent."""
    await post(api, orjson.dumps(EVENT), idempotency_key="k")

    other_body = await post(api, orjson.dumps({**EVENT, "id": "2"}), idempotency_key="k")
    headers = {**api.bearer("another", "events"), "Idempotency-Key": "k"}
    other_caller = await api.client.post(
        "/v1/events", content=orjson.dumps({**EVENT, "id": "2"}), headers=headers
    )

    assert (other_body.status_code, other_body.json()["type"]) == (
        422,
        "urn:tocsin:problem:idempotency-key-reused",
    )
    assert other_caller.status_code == 202


async def test_a_refused_request_frees_its_key(api: ApiFixture) -> None:
    """A request that published nothing can be sent again with its key after it is fixed."""
    refused = await post(api, b"{", idempotency_key="k")
    api.publisher.outage.reason = "unavailable"
    unavailable = await post(api, orjson.dumps(EVENT), idempotency_key="k")
    api.publisher.outage.reason = None
    fixed = await post(api, orjson.dumps(EVENT), idempotency_key="k")

    assert [answer.status_code for answer in (refused, unavailable, fixed)] == [422, 503, 202]


async def test_concurrent_requests_with_one_key(api: ApiFixture) -> None:
    """While the first request runs, a second one with its key is 409."""
    answers = await asyncio.gather(*(post(api, orjson.dumps(EVENT), idempotency_key="k") for _ in range(2)))

    assert sorted(answer.status_code for answer in answers) in ([202, 409], [202, 202])
    assert len(api.publisher.messages) == 1


@pytest.mark.parametrize("key", ["", "x" * 256])
async def test_keys_have_a_length(api: ApiFixture, key: str) -> None:
    """An empty key, or one over 255 characters, is 400."""
    assert (await post(api, orjson.dumps(EVENT), idempotency_key=key)).status_code == 400


async def test_a_withdrawal_is_published_like_an_event(api: ApiFixture) -> None:
    """A withdrawal has an id and a key of its own; one that names no event is refused with its reason."""
    withdrawal = {"id": "w", "source": "/shop", "type": "com.shop.withdraw", "data": {"id": "1"}}
    answer = await post(api, orjson.dumps(withdrawal))
    refused = await post(api, orjson.dumps({**withdrawal, "data": {}}))

    assert (answer.status_code, answer.json()["accepted"][0]["id"]) == (202, "w")
    assert (refused.status_code, refused.json()["reason"]) == (422, "invalid_withdrawal")
    assert len(api.publisher.messages) == 1


async def test_idempotency_keys_of_two_callers_never_meet(api: ApiFixture) -> None:
    """Also when the id of one and the key of the other look alike when they are joined."""
    event = {"id": "1", "source": "/s", "type": "overbid", "recipients": ["a"], "data": {"lot_id": "1"}}
    answers = []
    for caller, key in (("a", "b:K"), ("a:b", "K"), ("a|b", "K"), ("a", "b|K")):
        headers = {**api.bearer(caller, "events"), "Idempotency-Key": key}
        answers.append(await api.client.post("/v1/events", json=event, headers=headers))

    assert [answer.status_code for answer in answers] == [202] * 4
    assert not any("idempotency-replayed" in answer.headers for answer in answers)
    assert len(api.publisher.messages) == 4
