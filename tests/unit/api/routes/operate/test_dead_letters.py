"""Dead letters over HTTP: listed, shown, counted, redriven, discarded; each change has its operator."""

from typing import Any

import pytest

from service.model.operation import Operation
from service.model.record import Message, Record
from service.pipeline.messages import dead_letter
from tests.support.api_fixture import ApiFixture
from tests.support.operator_services import TOPICS
from tests.support.wait import eventually

REFUSED = b'{"id":"1","source":"/s","type":"overbid","data":{"to":"eve@example.com"}}'


async def refuse(api: ApiFixture, *values: bytes, stage: str = "resolve") -> None:
    """Put dead letters of these events on their topic, a second apart."""
    for n, value in enumerate(values):
        record = Record("events", 0, n, api.clock.now_ms(), b"k", value, (("trace", b"t1"),))
        await api.publisher.publish([dead_letter(TOPICS.dead_letter, stage, record, ValueError("no lot"))])
        api.clock.advance(1000)


async def get(api: ApiFixture, path: str = "", *scopes: str, **query: Any) -> Any:
    headers = api.bearer("ops", *(scopes or ("operate:read",)))
    return await api.client.get(f"/v1/dead-letters{path}", params=query, headers=headers)


async def post(api: ApiFixture, verb: str, body: Any, scope: str = "operate:write") -> Any:
    return await api.client.post(f"/v1/dead-letters/{verb}", json=body, headers=api.bearer("ops", scope))


async def ended(api: ApiFixture, answer: Any) -> dict[str, Any]:
    """Return an operation that has begun, once it is over."""
    assert answer.status_code == 202, answer.text
    path = f"/v1/operations/{answer.json()['id']}"

    shown: dict[str, Any] = {}

    async def over() -> bool:
        shown.update((await api.client.get(path, headers=api.bearer("ops", "operate:read"))).json())
        return bool(shown["state"] != "running")

    await eventually(over)
    return shown


def operations(api: ApiFixture) -> list[Operation]:
    return [Operation.from_bytes(one.value or b"") for one in api.publisher.records(TOPICS.audit)]


async def test_the_newest_are_listed_first_in_pages(api: ApiFixture) -> None:
    """Filters narrow the list; the record is not in it."""
    await refuse(api, *(b"%d" % n for n in range(5)))
    await refuse(api, REFUSED, stage="email.high")

    whole = (await get(api)).json()["dead_letters"]
    assert [row["id"].rpartition(":")[2] for row in whole] == ["5", "4", "3", "2", "1", "0"]
    assert {row["state"] for row in whole} == {"open"}
    pages: list[str] = []
    after = ""
    while True:
        page = (await get(api, limit=2, after=after)).json()
        pages += [row["id"] for row in page["dead_letters"]]
        if not (after := page["next"]):
            break
    assert pages == [row["id"] for row in whole]
    (email,) = (await get(api, stage="email")).json()["dead_letters"]
    assert (email["type"], email["stage"], email["topic"]) == ("overbid", "email.high", "events")
    assert "value" not in email
    assert (await get(api, state="redriven")).json()["dead_letters"] == []
    assert (await get(api, after="x")).status_code == 400


async def test_one_is_shown_with_its_record(api: ApiFixture) -> None:
    """Masked; unmasked with its own scope, which is recorded with the caller."""
    await refuse(api, REFUSED)
    id_ = f"{TOPICS.dead_letter}:0:0"

    shown = (await get(api, f"/{id_}")).json()
    assert (shown["key"], shown["headers"], shown["partial"]) == ("k", {"trace": "t1"}, False)
    assert "eve@example.com" not in shown["value"]
    assert operations(api) == []
    assert (await get(api, f"/{id_}", "operate:write", personal="true")).status_code == 403
    whole = await get(api, f"/{id_}", "operate:read", "operate:personal", personal="true")
    assert whole.json()["value"] == REFUSED.decode()
    (revealed,) = operations(api)
    assert (revealed.action, revealed.who) == ("reveal", "recipient:ops")
    for unknown in ("x", "0:99", "events:0:0", f"{TOPICS.dead_letter}:0:-1"):
        assert (await get(api, f"/{unknown}")).status_code == 404


async def test_a_dry_run_counts_and_does_nothing(api: ApiFixture) -> None:
    """By reason, stage and type."""
    await refuse(api, REFUSED, REFUSED, b"{")

    answer = await post(api, "redrive", {"all": True, "dry_run": True})

    assert answer.status_code == 200
    assert answer.json() == {
        "total": 3,
        "closed": 0,
        "counts": [
            {"reason": "unprocessable", "stage": "resolve", "type": "", "count": 1},
            {"reason": "unprocessable", "stage": "resolve", "type": "overbid", "count": 2},
        ],
    }
    assert operations(api) == []


async def test_redriven_ones_are_on_their_topic_again(api: ApiFixture) -> None:
    """Byte for byte; the operation names the caller; they are closed then, and a second redrive finds nothing."""
    await refuse(api, REFUSED, b"{")

    operation = await ended(api, await post(api, "redrive", {"types": ["overbid"]}))

    assert (operation["state"], operation["counts"], operation["total"]) == ("ended", {"redriven": 1}, 1)
    assert operation["who"] == "recipient:ops"
    assert api.publisher.records("events")[0].value == REFUSED
    assert [one.phase for one in operations(api)] == ["begun", "part", "ended"]
    rows = {row["id"]: row for row in (await get(api)).json()["dead_letters"]}
    first = rows[f"{TOPICS.dead_letter}:0:0"]
    assert (first["state"], first["by"]) == ("redriven", "recipient:ops")
    again = await post(api, "redrive", {"types": ["overbid"]})
    assert (again.status_code, again.json()["total"], again.json()["closed"]) == (200, 0, 1)


async def test_discarded_ones_are_closed(api: ApiFixture) -> None:
    """By id; nothing is written to their topic."""
    await refuse(api, REFUSED)

    operation = await ended(api, await post(api, "discard", {"ids": [f"{TOPICS.dead_letter}:0:0"]}))

    assert operation["counts"] == {"discarded": 1}
    assert api.publisher.records("events") == []
    assert [row["state"] for row in (await get(api)).json()["dead_letters"]] == ["discarded"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 422),
        ({"all": True, "ids": ["0:0"]}, 422),
        ({"ids": ["0:0"], "types": ["overbid"]}, 422),
        ({"ids": ["nonsense"]}, 422),
        ({"ids": ["0:7"]}, 404),
        ({"ids": ["other:0:0"]}, 404),
        ({"all": True, "unknown": 1}, 422),
        ({"since_ms": -1}, 422),
        ([], 422),
    ],
)
async def test_a_change_needs_one_choice(api: ApiFixture, body: Any, status: int) -> None:
    """Ids, filters or all; what is wrong is named."""
    await refuse(api, REFUSED)

    answer = await post(api, "redrive", body)

    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert operations(api) == []


async def test_readers_change_nothing(api: ApiFixture) -> None:
    """403 without operate:write."""
    await refuse(api, REFUSED)
    for verb in ("redrive", "discard"):
        assert (await post(api, verb, {"all": True}, "operate:read")).status_code == 403


async def test_what_is_no_dead_letter_is_shown_as_it_is(api: ApiFixture) -> None:
    """A record that another program has written to the topic."""
    await api.publisher.publish([Message(TOPICS.dead_letter, None, b"\xff", [("tocsin-topic", None)])])

    (row,) = (await get(api)).json()["dead_letters"]

    assert (row["reason"], row["topic"], row["place"]) == ("", "", "?:?")
    assert (await get(api, f"/{row['id']}")).json()["value"] == "\\xff"
