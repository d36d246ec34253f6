"""Deliveries, events, the due set, suppressions and keys over HTTP."""

from typing import Any

import orjson
import pytest

from service.model.catalogue import Lane
from service.model.ids import address_key, delivery_id, event_key
from service.model.ledger import State
from service.model.operation import Operation
from service.model.outcome import Outcome
from service.model.reasons import Reason
from service.model.record import Message
from service.pipeline.messages import message_of
from tests.specs.test_due import delivery as waiting
from tests.support.api_fixture import ApiFixture
from tests.support.operator_services import TOPICS

EVENT = event_key("/s", "1")


async def request(api: ApiFixture, method: str, path: str, *scopes: str, **options: Any) -> Any:
    headers = api.bearer("ops", *(scopes or ("operate:read",)))
    return await api.client.request(method, f"/v1{path}", headers=headers, **options)


def operations(api: ApiFixture) -> list[tuple[str, str, str]]:
    records = [Operation.from_bytes(one.value or b"") for one in api.publisher.records(TOPICS.audit)]
    return [(one.action.value, one.phase.value, one.who) for one in records]


async def put_outcomes(api: ApiFixture, *names: str) -> None:
    """Put refused mail on the log that the ledger no longer has, a second apart."""
    for topic in TOPICS.dispatches():
        await api.publisher.publish([Message(topic, None, b"{}")])
    for name in names:
        outcome = Outcome(
            delivery_id(EVENT, name, "email"),
            EVENT,
            "overbid",
            name,
            "email",
            State.bounced,
            api.clock.now_ms(),
            Reason.mailbox_unknown,
            1,
            relay="relay1",
            reply=f"550 5.1.1 <{name}@example.com>: no such user",
        )
        await api.publisher.publish([message_of(TOPICS, outcome)])
        api.clock.advance(1000)


async def test_deliveries_are_listed_as_their_outcomes(api: ApiFixture) -> None:
    """With the relay's own words, in which addresses are masked."""
    await put_outcomes(api, "alice", "bob")

    body = (await request(api, "GET", "/deliveries")).json()

    assert [one["recipient"] for one in body["deliveries"]] == ["bob", "alice"]
    first = body["deliveries"][0]
    assert (first["state"], first["reason"], first["relay"]) == ("bounced", "mailbox_unknown", "relay1")
    assert first["reply"].startswith("550 5.1.1 <")
    assert "bob@example.com" not in first["reply"]
    assert (body["next"], body["searched_to_ms"]) == (None, 0)


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({"state": "bounced"}, {"alice", "bob"}),
        ({"state": ["sent", "deferred"]}, set()),
        ({"relay": "relay1", "code": "5.1.1", "type": "overbid", "channel": "email"}, {"alice", "bob"}),
        ({"reason": "mailbox_full"}, set()),
        ({"event": EVENT, "source": ""}, {"alice", "bob"}),
        ({"since": "2999-01-01T00:00:00Z"}, set()),
        ({"until": "5"}, set()),
    ],
)
async def test_filters_of_deliveries(api: ApiFixture, query: Any, names: set[str]) -> None:
    """Each narrows the list."""
    await put_outcomes(api, "alice", "bob")
    params = {name: value for name, value in query.items() if value}

    body = (await request(api, "GET", "/deliveries", params=params)).json()

    assert {one["recipient"] for one in body["deliveries"]} == names


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ({"state": "dance"}, "state.0"),
        ({"channel": "pigeon"}, "channel.0"),
        ({"since": "yesterday"}, "since"),
        ({"after": "nonsense"}, "after"),
        ({"limit": 0}, "limit"),
    ],
)
async def test_a_filter_that_makes_no_sense(api: ApiFixture, query: Any, parameter: str) -> None:
    """400, and the parameter is named."""
    await put_outcomes(api, "alice")

    answer = await request(api, "GET", "/deliveries", params=query)

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["parameter"] == parameter


async def test_unmasked_deliveries_are_recorded(api: ApiFixture) -> None:
    """With a scope of their own."""
    await put_outcomes(api, "alice")

    assert (await request(api, "GET", "/deliveries?personal=true")).status_code == 403
    whole = await request(api, "GET", "/deliveries?personal=true", "operate:read", "operate:personal")
    assert "alice@example.com" in whole.json()["deliveries"][0]["reply"]
    assert operations(api) == [("reveal", "ended", "recipient:ops")]


async def test_events_are_listed_with_why_they_are_refused(api: ApiFixture) -> None:
    """Newest first; withdrawals too."""
    good = {"id": "1", "source": "/s", "type": "overbid", "recipients": ["a", "b"], "data": {"lot_id": "1"}}
    withdrawal = {"id": "2", "source": "/s", "type": "withdraw", "data": {"id": "1"}}
    for value in (orjson.dumps(good), b"{", orjson.dumps(withdrawal)):
        await api.publisher.publish([Message("events", None, value)])
        api.clock.advance(1000)

    rows = (await request(api, "GET", "/events")).json()["events"]

    assert [row["position"] for row in rows] == ["events:0:2", "events:0:1", "events:0:0"]
    assert rows[0]["withdrawal"] is True
    assert rows[1]["reason"] == "invalid_json"
    assert (rows[2]["key"], rows[2]["type"], rows[2]["recipients"]) == (EVENT, "overbid", 2)
    refused = (await request(api, "GET", "/events?refused=true")).json()["events"]
    assert [row["position"] for row in refused] == ["events:0:1"]
    assert (await request(api, "GET", "/events/none")).status_code == 404
    page = (await request(api, "GET", "/events?limit=2")).json()
    rest = (await request(api, "GET", f"/events?limit=2&after={page['next']}")).json()
    assert [row["position"] for row in page["events"] + rest["events"]] == [row["position"] for row in rows]


async def test_what_waits_is_counted_by_hour(api: ApiFixture) -> None:
    """The first hour begins now; what is overdue and what is later is counted too."""
    assert api.deps.operate is not None
    now_ms, hour_ms = api.clock.now_ms(), 3_600_000
    next_hour_ms = now_ms - now_ms % hour_ms + hour_ms
    bulk = waiting(3).replace(lane=Lane.bulk)
    await api.deps.operate.due.add(
        [waiting(1), waiting(2), bulk, waiting(4)],
        [now_ms - 1, now_ms, next_hour_ms, now_ms + 48 * hour_ms],
        [State.deferred, State.deferred, State.ambiguous, State.deferred],
    )

    body = (await request(api, "GET", "/due")).json()

    assert (body["total"], body["overdue"], body["later"], body["oldest_ms"]) == (4, 1, 1, now_ms - 1)
    assert len(body["hours"]) == 24
    assert body["hours"][0] == {"from_ms": now_ms, "to_ms": next_hour_ms, "count": 1}
    assert (body["hours"][1]["from_ms"], body["hours"][1]["count"]) == (next_hour_ms, 1)
    assert body["groups"] == [
        {"lane": "bulk", "state": "ambiguous", "count": 1},
        {"lane": "normal", "state": "deferred", "count": 3},
    ]


async def test_an_address_is_suppressed_and_allowed_again(api: ApiFixture) -> None:
    """Recorded before and after, with a pseudonym; the list has hashes only."""
    address = "eve@example.com"
    body = {"address": address, "reason": "asked by phone"}

    added = await request(api, "POST", "/suppressions", "operate:write", json=body)
    assert (added.status_code, added.json()) == (200, {"changed": True})
    for path in ("/suppressions", f"/suppressions?address={address.upper()}"):
        answer = await request(api, "GET", path)
        (row,) = answer.json()["suppressions"]
        assert (row["address_key"], row["reason"]) == (address_key(address), "by_operator")
        assert address not in answer.text
    removed = await request(api, "POST", "/suppressions/remove", "operate:write", json=body)
    assert removed.json() == {"changed": True}
    again = await request(api, "POST", "/suppressions/remove", "operate:write", json=body)
    assert again.json() == {"changed": False}
    assert (await request(api, "GET", "/suppressions")).json() == {"suppressions": [], "next": None}
    assert [one[:2] for one in operations(api)] == [
        (action, phase) for action in ("suppress", "unsuppress", "unsuppress") for phase in ("begun", "ended")
    ]
    assert not any(address.encode() in (one.value or b"") for one in api.publisher.records(TOPICS.audit))
    wrong = await request(api, "POST", "/suppressions", "operate:write", json={"address": "nobody"})
    assert wrong.json()["errors"][0]["pointer"] == "#/address"


async def test_suppressions_have_pages(api: ApiFixture) -> None:
    """Newest first, each once."""
    for n in range(5):
        body = {"address": f"p{n}@example.com"}
        assert (await request(api, "POST", "/suppressions", "operate:write", json=body)).status_code == 200
        api.clock.advance(1000)
    keys: list[str] = []
    after = ""
    while True:
        page = (await request(api, "GET", f"/suppressions?limit=2&after={after}")).json()
        keys += [row["address_key"] for row in page["suppressions"]]
        if not (after := page["next"]):
            break
    assert keys == [address_key(f"p{n}@example.com") for n in reversed(range(5))]
    assert (await request(api, "GET", "/suppressions?after=x")).status_code == 400


async def test_a_key_is_created_used_and_revoked(api: ApiFixture) -> None:
    """Its text is shown once; it works until it is revoked, and both are recorded."""
    form = {"name": "shop", "scopes": ["events"]}

    created = await request(api, "POST", "/keys", "operate:write", "events", json=form)
    assert created.status_code == 201
    key = created.json()
    bearer = {"Authorization": f"Bearer {key['key']}"}
    assert (await api.client.post("/v1/events", headers=bearer, json={})).status_code != 401
    listed = (await request(api, "GET", "/keys")).json()["keys"]
    assert [(row["id"], row["revoked_ms"], "key" in row) for row in listed] == [(key["id"], None, False)]

    assert (await request(api, "DELETE", f"/keys/{key['id']}", "operate:write")).status_code == 204
    assert (await api.client.post("/v1/events", headers=bearer, json={})).status_code == 401
    assert (await request(api, "GET", "/keys")).json()["keys"][0]["revoked_ms"]
    assert (await request(api, "DELETE", "/keys/none", "operate:write")).status_code == 404
    assert [one[:2] for one in operations(api)] == [
        (action, phase) for action in ("create_key", "revoke_key") for phase in ("begun", "ended")
    ]


async def test_a_key_has_no_scope_that_its_maker_lacks(api: ApiFixture) -> None:
    """Nor one that does not exist."""
    foreign = {"name": "x", "scopes": ["tables"]}
    whole = {"name": "x", "scopes": ["operate"]}
    unknown = {"name": "x", "scopes": ["dance"]}
    for form in (foreign, whole):
        assert (await request(api, "POST", "/keys", "operate:write", json=form)).status_code == 403
    answer = await request(api, "POST", "/keys", "operate:write", json=unknown)
    assert answer.json()["errors"][0]["pointer"] == "#/scopes"
    assert operations(api) == []
