"""What operators change: recorded with their name, without a name of a person, and only after a confirmation."""

from typing import Any

import httpx
import orjson
import pytest

from service.model.catalogue import AudienceRule
from service.model.channels import Channel
from service.model.delivery import Delivery
from service.model.ids import delivery_id, event_key
from service.model.ledger import NewEntry, State
from service.model.operation import Operation, pseudonym
from service.model.reasons import Reason
from service.model.recipient import Recipient
from service.model.record import Message
from service.model.topics import TopicNames
from tests.support.api_fixture import ApiFixture
from tests.support.wait import eventually
from tests.unit.console.conftest import SAME_ORIGIN, current, signed_in

TOPICS = TopicNames()


def recorded(api: ApiFixture) -> list[Operation]:
    return [Operation.from_bytes(record.value or b"") for record in api.publisher.records(TOPICS.audit) or ()]


async def post(api: ApiFixture, path: str, **fields: Any) -> httpx.Response:
    session = current(api)
    assert session is not None
    form = {"csrf": session.token, **fields}
    response: httpx.Response = await api.client.post(f"/console{path}", data=form, headers=SAME_ORIGIN)
    return response


async def test_a_suppression(api: ApiFixture) -> None:
    """Added and removed, each recorded before and after with a pseudonym of the address."""
    signed_in(api, "operator")
    for path, kind, notice in (
        ("add", "suppress", "is suppressed"),
        ("remove", "unsuppress", "gets mail again"),
    ):
        response = await post(
            api, f"/suppressions/{path}", address="Bob@Example.com", reason="asked by phone"
        )
        assert response.status_code == 303
        assert notice in (await api.client.get(response.headers["location"])).text
        begun, ended = recorded(api)[-2:]
        assert (begun.action, begun.phase, ended.phase, ended.who) == (
            kind,
            "begun",
            "ended",
            "console:tester",
        )
        assert begun.filters == {"address": pseudonym("bob@example.com"), "reason": "asked by phone"}
        row = await api.tables.suppression("bob@example.com")
        assert (row is not None) == (path == "add")


async def test_an_invalid_address_changes_nothing(api: ApiFixture) -> None:
    signed_in(api, "operator")
    response = await post(api, "/suppressions/add", address="not an address")
    assert response.status_code == 422
    assert recorded(api) == []


async def _dead_letters(api: ApiFixture, number: int) -> None:
    await api.publisher.publish(
        [
            Message(
                TOPICS.dead_letter,
                None,
                orjson.dumps({"type": "overbidd", "id": f"{n}", "to": "alice@example.com"}),
                (
                    ("tocsin-reason", b"unknown_type"),
                    ("tocsin-detail", b"the type is not in the catalogue"),
                    ("tocsin-stage", b"resolve"),
                    ("tocsin-topic", b"events"),
                    ("tocsin-partition", b"0"),
                    ("tocsin-offset", str(n).encode()),
                ),
            )
            for n in range(number)
        ]
    )


@pytest.mark.parametrize(("action", "state"), [("redrive", "redriven"), ("discard", "discarded")])
async def test_dead_letters(api: ApiFixture, action: str, state: str) -> None:
    """First counted, then done in the background; then they are listed as such, and nothing is left to do."""
    signed_in(api, "operator")
    await _dead_letters(api, 3)
    page = (await api.client.get("/console/dead-letters")).text
    assert page.count('name="id"') == 3
    counted = await post(api, "/dead-letters/survey", action=action, reason="unknown_type")
    assert "3 dead letters" in counted.text
    assert recorded(api) == []

    response = await post(api, "/dead-letters/apply", action=action, reason="unknown_type")
    await eventually(lambda: [one.phase for one in recorded(api)][-1:] == ["ended"])
    assert "ended" in (await api.client.get(response.headers["location"])).text
    assert {one.who for one in recorded(api)} == {"console:tester"}
    assert len(api.publisher.records("events") or ()) == (3 if action == "redrive" else 0)
    page = (await api.client.get("/console/dead-letters?state=")).text
    assert page.count(f'<span class="state {state}">') == 3
    assert "None of them is open" in (await post(api, "/dead-letters/survey", action=action)).text


async def test_a_dead_letter_is_shown(api: ApiFixture) -> None:
    """With its record, in which addresses are masked."""
    signed_in(api, "viewer")
    await _dead_letters(api, 1)
    page = (await api.client.get(f"/console/dead-letters/{TOPICS.dead_letter}:0:0")).text
    assert "&#34;type&#34;: &#34;overbidd&#34;" in page
    assert "a•••@e•••.com" in page
    assert "alice@example.com" not in page


@pytest.mark.parametrize("form", [{}, {"action": "erase"}, {"action": "redrive", "scope": "ids"}])
async def test_a_choice_of_nothing(api: ApiFixture, form: dict[str, str]) -> None:
    signed_in(api, "operator")
    for path in ("survey", "apply"):
        assert (await post(api, f"/dead-letters/{path}", **form)).status_code == 422


async def test_unknown_ids(api: ApiFixture) -> None:
    signed_in(api, "operator")
    assert (await post(api, "/dead-letters/apply", action="redrive", id="x:0:99")).status_code == 404
    assert (await post(api, "/dead-letters/apply", action="redrive", id="x")).status_code == 422
    for path in ("/dead-letters/x", "/dead-letters/x:0:99", "/operations/x"):
        assert (await api.client.get(f"/console{path}")).status_code == 404


async def test_a_replay_needs_a_choice(api: ApiFixture) -> None:
    """Without any filter nothing is counted or sent; nor with one that is none."""
    signed_in(api, "operator")
    for form in ({}, {"state": "queued"}, {"state": "x"}, {"hours": "-1"}, {"event": "x", "rate": "0"}):
        assert (await post(api, "/replays", **form)).status_code == 422, form
        assert (await post(api, "/replays/start", **form)).status_code == 422, form
    assert "0 deliveries" in (await post(api, "/replays", event="x")).text


async def test_a_replay_of_nothing_is_recorded(api: ApiFixture) -> None:
    signed_in(api, "operator")
    response = await post(api, "/replays/start", event="x", recipient="alice@example.com", rate="5")
    await eventually(lambda: [one.phase for one in recorded(api)][-1:] == ["ended"])
    assert response.headers["location"].startswith("/console/operations/")
    assert "alice" not in str([one.filters for one in recorded(api)])


async def test_a_delivery_fills_the_form(api: ApiFixture) -> None:
    """Of one that the ledger does not have, the page says so."""
    signed_in(api, "operator")
    key = event_key("/x", "1")
    response = await api.client.get(f"/console/replays?delivery={delivery_id(key, 'alice', 'email')}")
    assert response.status_code == 404


async def test_a_cancel_is_recorded(api: ApiFixture) -> None:
    signed_in(api, "operator")
    await post(api, "/replays/start", event="x")
    await eventually(lambda: [one.phase for one in recorded(api)][-1:] == ["ended"])
    id_ = recorded(api)[0].id
    assert (await post(api, f"/operations/{id_}/cancel")).status_code == 303
    assert (recorded(api)[-1].action, recorded(api)[-1].filters) == ("cancel", {"operation": id_})
    assert (await post(api, "/operations/none/cancel")).status_code == 404


async def test_an_erasure_needs_the_id_twice(api: ApiFixture) -> None:
    """It is counted first, and recorded with a pseudonym of the person."""
    signed_in(api, "privacy")
    await api.deps.writer.recipient("alice", lambda _: Recipient(id="alice", address="alice@example.com"))
    assert "recipients" in (await post(api, "/privacy", person="alice")).text

    wrong = await post(api, "/privacy/erase", person="alice", again="Alice")
    assert (wrong.status_code, recorded(api)) == (422, [])
    done = await post(api, "/privacy/erase", person="alice", again="alice")
    assert "1 recipients" in done.text
    begun, ended = recorded(api)
    assert (begun.action, begun.phase, ended.phase) == ("erase", "begun", "ended")
    assert begun.filters == {"person": pseudonym("alice")}


async def test_an_export_is_a_file(api: ApiFixture) -> None:
    """Its name does not name the person."""
    signed_in(api, "privacy")
    await api.deps.writer.recipient("alice", lambda _: Recipient(id="alice", address="alice@example.com"))
    response = await post(api, "/privacy/export", person="alice")
    assert (
        response.headers["content-disposition"] == f'attachment; filename="export-{pseudonym("alice")}.json"'
    )
    assert response.json()["recipients"][0]["address"] == "alice@example.com"
    assert recorded(api)[-1].action == "export"


async def test_a_person_is_needed(api: ApiFixture) -> None:
    signed_in(api, "privacy")
    for path in ("", "/export", "/erase"):
        assert (await post(api, f"/privacy{path}", person=" ")).status_code == 422


async def test_each_page_with_addresses_is_recorded(api: ApiFixture) -> None:
    """Once the operator has asked to see them; before and after that they are masked, and nothing is recorded."""
    signed_in(api, "privacy")
    await _dead_letters(api, 1)
    path = f"/console/dead-letters/{TOPICS.dead_letter}:0:0"
    assert "alice@example.com" not in (await api.client.get(path)).text
    await post(api, "/addresses", show="yes", next=path)
    assert "alice@example.com" in (await api.client.get(path)).text
    (one,) = recorded(api)
    assert (one.action, one.who, one.filters) == ("reveal", "console:tester", {"page": path})
    await post(api, "/addresses", show="")
    assert "alice@example.com" not in (await api.client.get(path)).text
    assert len(recorded(api)) == 1


async def test_a_role_that_is_lost_shows_nothing(api: ApiFixture) -> None:
    """The mark in a session alone does not: the role has to allow it."""
    session = signed_in(api, "viewer")
    text = api.app.state.console.sessions.close(session._replace(shows_addresses=True))
    api.client.cookies.set("tocsin-console", text, domain="tocsin.test", path="/")
    await _dead_letters(api, 1)
    page = await api.client.get(f"/console/dead-letters/{TOPICS.dead_letter}:0:0")
    assert page.status_code == 200
    assert "alice@example.com" not in page.text


async def test_the_audit_log(api: ApiFixture) -> None:
    """Newest first, by operator and by kind."""
    signed_in(api, "operator")
    await post(api, "/suppressions/add", address="a@example.com")
    api.clock.advance(1000)
    await post(api, "/suppressions/remove", address="a@example.com")
    page = (await api.client.get("/console/audit")).text
    assert page.index(">unsuppress</a>") < page.index(">suppress</a>")
    assert ">unsuppress</a>" not in (await api.client.get("/console/audit?kind=suppress")).text
    assert "No operation matches" in (await api.client.get("/console/audit?operator=other")).text


async def _hold(api: ApiFixture, n: int, recipient: str) -> str:
    """Hold a delivery for an hour; return its id."""
    key, now_ms = event_key("s", str(n)), api.clock.now_ms()
    one = Delivery(
        id=delivery_id(key, recipient, "email"), event=key, event_id=str(n), source="s", type="overbid",
        channel=Channel.email, recipient=recipient, rule=AudienceRule.users, created_ms=now_ms,
        received_ms=now_ms, deadline_ms=now_ms + 9 * 86_400_000,
    )  # fmt: skip
    await api.deps.ledger.open(
        [], [NewEntry(key, one.id, recipient, "email", State.held, Reason.quiet_hours, now_ms)]
    )
    assert api.deps.operate is not None
    await api.deps.operate.due.add([one], [now_ms + 3_600_000], [State.held], [Reason.quiet_hours])
    return one.id


@pytest.mark.parametrize(
    ("action", "kind", "counts"),
    [
        ("release", "release", {"retimed": 1}),
        ("retime", "retime", {"retimed": 1}),
        ("cancel", "cancel_due", {"cancelled": 1}),
    ],
)
async def test_what_waits(api: ApiFixture, action: str, kind: str, counts: dict[str, int]) -> None:
    """Listed with until when and why; a change is counted first, and recorded."""
    signed_in(api, "operator")
    one, other = await _hold(api, 1, "alice"), await _hold(api, 2, "bob@example.com")
    page = (await api.client.get("/console/waiting")).text
    assert "in 1 h" in page
    assert "gets no mail at this time" in page
    assert "bob@example.com" not in page
    assert other not in (await api.client.get("/console/waiting?recipient=alice")).text
    form = {"recipient": "alice", "action": action, "at": "2023-11-20T08:00"}
    counted = await post(api, "/waiting", **form)
    assert "1 delivery" in counted.text
    assert recorded(api) == []

    response = await post(api, "/waiting/start", **form)
    await eventually(lambda: [each.phase for each in recorded(api)][-1:] == ["ended"])
    assert response.status_code == 303
    assert (recorded(api)[-1].action, recorded(api)[-1].counts) == (kind, counts)
    assert recorded(api)[-1].filters["recipients"] == [pseudonym("alice")]
    assert one in (await api.client.get(f"/console/waiting?delivery={one}")).text or action == "cancel"


async def test_a_change_of_what_waits_that_cannot_be_read(api: ApiFixture) -> None:
    """An action, a time and an id that are none; a viewer changes nothing."""
    signed_in(api, "operator")
    for form in (
        {},
        {"action": "erase"},
        {"action": "retime", "at": "soon"},
        {"action": "cancel", "delivery": "x"},
    ):
        assert (await post(api, "/waiting", **form)).status_code == 422, form
        assert (await post(api, "/waiting/start", **form)).status_code == 422, form
    assert (await api.client.get("/console/waiting?after=x")).status_code == 400
    signed_in(api, "viewer")
    assert (await post(api, "/waiting", action="release")).status_code == 403
    assert "Count it" not in (await api.client.get("/console/waiting")).text
