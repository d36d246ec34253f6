"""Groups: invalid requests, and changes that apply as a whole or not at all."""

import asyncio
from typing import Any

import pytest

from tests.support.api_fixture import ApiFixture

GET, CONFIGURE = "/api/v1/notification/", "/api/v1/notification/configure/"
TYPES = ("order_confirm", "change_status", "chat_ongoing", "fon_offer", "fon_answered", "invoice_available")


async def patch(api: ApiFixture, body: Any, **params: str) -> Any:
    headers = api.bearer("ops", "tables")
    return await api.client.patch(
        CONFIGURE, params=params or {"external_id": "g"}, json=body, headers=headers
    )


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"no_such_type": []}, "#/no_such_type"),
        ({"overbid": []}, "#/overbid"),
        ({"com.example.fon_offer": []}, "#/com.example.fon_offer"),
        ({"fon_offer": "a@example.com"}, "#/fon_offer"),
        ({"fon_offer": None}, "#/fon_offer"),
        ({"fon_offer": [5]}, "#/fon_offer/0"),
        ({"fon_offer": ["a@example.com", "nobody"]}, "#/fon_offer/1"),
        ({"fon_offer": ["A <a@example.com>"]}, "#/fon_offer/0"),
        ({"fon_offer": ["a@example.com, b@example.com"]}, "#/fon_offer/0"),
        ({"fon_offer": ["a@example.com\r\nBcc: b@example.com"]}, "#/fon_offer/0"),
        ({"fon_offer": [""]}, "#/fon_offer/0"),
        ({"fon_offer": ["a@example.com", "b@example.com", "A@EXAMPLE.com"]}, "#/fon_offer/2"),
        ({"fon_offer": [f"a{n}@example.com" for n in range(1001)]}, "#/fon_offer"),
        ({"a/b~c": []}, "#/a~1b~0c"),
        ([], "#"),
        ("x", "#"),
    ],
)
async def test_refused(api: ApiFixture, body: Any, pointer: str) -> None:
    """422 names the field, and valid fields beside it are not applied either."""
    good = {"chat_ongoing": ["good@example.com"]}

    answer = await patch(api, {**good, **body} if isinstance(body, dict) else body)

    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert not api.publisher.messages
    assert not any((await patch(api, {})).json().values())


async def test_every_invalid_field_is_named(api: ApiFixture) -> None:
    """One response names every invalid field."""
    answer = await patch(api, {"fon_offer": ["x", "y"], "nope": []})

    assert [error["pointer"] for error in answer.json()["errors"]] == [
        "#/fon_offer/0",
        "#/fon_offer/1",
        "#/nope",
    ]


async def test_a_thousand_addresses(api: ApiFixture) -> None:
    """A type can have a thousand addresses."""
    addresses = [f"a{n}@example.com" for n in range(1000)]

    assert (await patch(api, {"fon_offer": addresses})).json()["fon_offer"] == addresses


@pytest.mark.exhaustive
async def test_a_row_over_kafkas_record_limit(api: ApiFixture) -> None:
    """A change that makes the row larger than a record is refused, and the group is not changed."""
    status = 0
    for name in TYPES:
        local = "x" * 60
        addresses = [f"{local}{n}@{'d' * 60}.{'e' * 60}.example.com" for n in range(1000)]
        answer = await patch(api, {name: addresses})
        status = answer.status_code
        if status != 200:
            break

    assert (status, answer.json()["type"]) == (422, "urn:tocsin:problem:row-too-large")


@pytest.mark.parametrize(
    ("params", "body"),
    [
        ({}, {}),
        ({"external_id": ""}, {}),
        ({"external_id": "a", "project_id": "a|b"}, {}),
        ({"external_id": "x" * 129}, {}),
        ({"external_id": "a\nb"}, {}),
        ({"external_id": "a"}, {"external_id": "b"}),
        ({}, {"external_id": 5}),
    ],
)
async def test_invalid_group_ids(api: ApiFixture, params: dict[str, str], body: Any) -> None:
    """A missing, invalid or contradictory group id is 400."""
    headers = api.bearer("ops", "tables")
    patched = await api.client.patch(CONFIGURE, params=params, json=body, headers=headers)
    got = await api.client.request("GET", GET, params=params, json=body, headers=headers)

    assert [patched.status_code, got.status_code] == [400, 400]
    assert patched.json()["errors"][0]["parameter"] in ("external_id", "project_id")


async def test_concurrent_changes(api: ApiFixture) -> None:
    """Concurrent changes to different types of one group are all kept."""
    await asyncio.gather(*(patch(api, {name: [f"{name}@example.com"]}) for name in TYPES))

    answer = (await patch(api, {})).json()
    assert {name: answer[name] for name in TYPES} == {name: [f"{name}@example.com"] for name in TYPES}


async def test_kafka_is_written_first(api: ApiFixture) -> None:
    """A change that Kafka did not acknowledge is 503 and is not in the table."""
    api.publisher.outage.reason = "kafka is unavailable"

    answer = await patch(api, {"fon_offer": ["a@example.com"]})

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    assert "kafka" not in answer.text
    api.publisher.outage.reason = None
    assert not any((await patch(api, {})).json().values())


async def test_published_records(api: ApiFixture) -> None:
    """Each change publishes one record: the whole row with its version, keyed by the group. No change, no record."""
    await patch(api, {"external_id": "g", "project_id": "p", "fon_offer": ["a@example.com"]}, x="")
    await patch(api, {"external_id": "g", "project_id": "p", "fon_offer": ["a@example.com"]}, x="")

    (message,) = api.publisher.messages
    assert (message.topic, message.key) == ("tables.groups", b"g|p")
    assert b'"version":1700000000000' in message.value
    assert b'{"fon_offer":["a@example.com"]}' in message.value


async def test_incomplete_tables(api: ApiFixture) -> None:
    """Incomplete tables are 503, rather than a group without addresses."""
    await api.tables.mark_incomplete("rebuilding")  # type: ignore[attr-defined]

    answer = await api.client.get(GET, params={"external_id": "g"}, headers=api.bearer("ops", "tables"))

    assert answer.status_code == 503


async def test_an_id_that_a_rebuild_would_refuse(api: ApiFixture) -> None:
    """A row that could not be rebuilt from its topic is refused and not written."""
    answer = await patch(api, {"fon_offer": ["a@example.com"]}, external_id="12 ")

    assert answer.status_code == 422
    assert answer.json()["type"] == "urn:tocsin:problem:row-refused"
    assert "external_id" in answer.json()["detail"].lower()
    assert not api.publisher.messages
