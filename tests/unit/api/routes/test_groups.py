"""Groups: what is refused, and that nothing is half applied."""

import asyncio
from typing import Any

import pytest

from tests.support.api_fixture import World

GET, CONFIGURE = "/api/v1/notification/", "/api/v1/notification/configure/"
TYPES = ("order_confirm", "change_status", "chat_ongoing", "fon_offer", "fon_answered", "invoice_available")


async def patch(world: World, body: Any, **params: str) -> Any:
    headers = world.bearer("ops", "tables")
    return await world.client.patch(
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
async def test_refused(world: World, body: Any, pointer: str) -> None:
    """422 names the field, and what was valid beside it is not applied either."""
    good = {"chat_ongoing": ["good@example.com"]}

    answer = await patch(world, {**good, **body} if isinstance(body, dict) else body)

    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert [fault["pointer"] for fault in answer.json()["errors"]] == [pointer]
    assert not world.publisher.messages
    assert not any((await patch(world, {})).json().values())


async def test_every_fault_is_named(world: World) -> None:
    """One answer tells all that is wrong."""
    answer = await patch(world, {"fon_offer": ["x", "y"], "nope": []})

    assert [fault["pointer"] for fault in answer.json()["errors"]] == [
        "#/fon_offer/0",
        "#/fon_offer/1",
        "#/nope",
    ]


async def test_a_thousand_addresses(world: World) -> None:
    """A type takes a thousand."""
    addresses = [f"a{n}@example.com" for n in range(1000)]

    assert (await patch(world, {"fon_offer": addresses})).json()["fon_offer"] == addresses


async def test_a_row_that_kafka_would_not_take(world: World) -> None:
    """A group whose row is larger than a record may be is refused, and stays as it was."""
    status = 0
    for name in TYPES:
        local = "x" * 60
        addresses = [f"{local}{n}@{'d' * 60}.{'e' * 60}.example.com" for n in range(1000)]
        answer = await patch(world, {name: addresses})
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
async def test_which_group(world: World, params: dict[str, str], body: Any) -> None:
    """A group that is not named, or not clearly, is 400."""
    headers = world.bearer("ops", "tables")
    patched = await world.client.patch(CONFIGURE, params=params, json=body, headers=headers)
    got = await world.client.request("GET", GET, params=params, json=body, headers=headers)

    assert [patched.status_code, got.status_code] == [400, 400]
    assert patched.json()["errors"][0]["parameter"] in ("external_id", "project_id")


async def test_side_by_side(world: World) -> None:
    """Changes to one group at the same time keep each other's types."""
    await asyncio.gather(*(patch(world, {name: [f"{name}@example.com"]}) for name in TYPES))

    answer = (await patch(world, {})).json()
    assert {name: answer[name] for name in TYPES} == {name: [f"{name}@example.com"] for name in TYPES}


async def test_the_log_first(world: World) -> None:
    """A change that Kafka did not take is 503, and is not in the table."""
    world.publisher.outage.reason = "kafka is away"

    answer = await patch(world, {"fon_offer": ["a@example.com"]})

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    assert "kafka" not in answer.text
    world.publisher.outage.reason = None
    assert not any((await patch(world, {})).json().values())


async def test_what_is_published(world: World) -> None:
    """Each change is one record: the whole row with its version, keyed by the group. No change, no record."""
    await patch(world, {"external_id": "g", "project_id": "p", "fon_offer": ["a@example.com"]}, x="")
    await patch(world, {"external_id": "g", "project_id": "p", "fon_offer": ["a@example.com"]}, x="")

    (message,) = world.publisher.messages
    assert (message.topic, message.key) == ("tables.groups", b"g|p")
    assert b'"version":1700000000000' in message.value
    assert b'{"fon_offer":["a@example.com"]}' in message.value


async def test_incomplete_tables(world: World) -> None:
    """Tables that are not complete say nothing, rather than that there is nobody."""
    await world.tables.mark_incomplete("rebuilding")  # type: ignore[attr-defined]

    answer = await world.client.get(GET, params={"external_id": "g"}, headers=world.bearer("ops", "tables"))

    assert answer.status_code == 503


async def test_a_name_that_its_topic_would_not_take(world: World) -> None:
    """The row could not be rebuilt, so it is refused and nothing is written."""
    answer = await patch(world, {"fon_offer": ["a@example.com"]}, external_id="12 ")

    assert answer.status_code == 422
    assert answer.json()["type"] == "urn:tocsin:problem:row-refused"
    assert "external_id" in answer.json()["detail"].lower()
    assert not world.publisher.messages
