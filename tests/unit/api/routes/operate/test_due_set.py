"""What waits over HTTP: counted, listed, released, retimed, cancelled; each change has its operator."""

from typing import Any

import pytest

from service.model.catalogue import AudienceRule
from service.model.channels import Channel
from service.model.delivery import Delivery
from service.model.holds.digest import DigestItem, digest_of
from service.model.ids import delivery_id, event_key
from service.model.ledger import NewEntry, State
from service.model.operation import Operation, OperationKind, OperationPhase
from service.model.reasons import Reason
from service.pipeline.operate.services import OperatorServices
from tests.fakes.digest_windows import FakeDigestWindows
from tests.support.api_fixture import ApiFixture
from tests.support.operator_services import TOPICS
from tests.support.wait import eventually

HOUR, DAY = 3_600_000, 86_400_000


def services(api: ApiFixture) -> OperatorServices:
    assert api.deps.operate is not None
    return api.deps.operate


def delivery(api: ApiFixture, n: int, recipient: str = "alice") -> Delivery:
    event, now_ms = event_key("s", str(n)), api.clock.now_ms()
    return Delivery(
        id=delivery_id(event, recipient, "email"), event=event, event_id=str(n), source="s", type="overbid",
        channel=Channel.email, recipient=recipient, rule=AudienceRule.users, created_ms=now_ms,
        received_ms=now_ms, deadline_ms=now_ms + 9 * DAY, address=f"{recipient}@example.com",
    )  # fmt: skip


async def hold(
    api: ApiFixture, one: Delivery, after_ms: int = HOUR, reason: Reason = Reason.quiet_hours
) -> None:
    now_ms = api.clock.now_ms()
    await api.deps.ledger.open(
        [], [NewEntry(one.event, one.id, one.recipient, "email", State.held, reason, now_ms)]
    )
    await services(api).due.add([one], [now_ms + after_ms], [State.held], [reason])


async def get(api: ApiFixture, path: str = "", *scopes: str, **query: Any) -> Any:
    headers = api.bearer("ops", *(scopes or ("operate:read",)))
    return await api.client.get(f"/v1/due{path}", params=query, headers=headers)


async def post(api: ApiFixture, verb: str, body: Any, scope: str = "operate:write") -> Any:
    return await api.client.post(f"/v1/due/{verb}", json=body, headers=api.bearer("ops", scope))


async def ended(api: ApiFixture, answer: Any) -> Any:
    """Return an operation that has begun, once it is over."""
    assert answer.status_code == 202, answer.text
    shown: dict[str, Any] = {}

    async def over() -> bool:
        path = f"/v1/operations/{answer.json()['id']}"
        shown.update((await api.client.get(path, headers=api.bearer("ops", "operate:read"))).json())
        return bool(shown["state"] != "running")

    await eventually(over)
    return shown


async def test_what_waits_is_counted_and_listed(api: ApiFixture) -> None:
    """Until when and why, in pages; an address in an id is masked, and shown only by its own scope."""
    for n, recipient in enumerate(("alice", "bob", "eve@example.com")):
        await hold(api, delivery(api, n, recipient), HOUR + n, Reason.limit if n else Reason.quiet_hours)

    held = {row["reason"]: row["count"] for row in (await get(api)).json()["held"]}
    assert held == {"quiet_hours": 1, "limit": 2}
    first = (await get(api, "/deliveries", limit=1)).json()
    (row,) = first["deliveries"]
    assert (row["recipient"], row["reason"], row["state"]) == ("alice", "quiet_hours", "held")
    assert row["until_ms"] == api.clock.now_ms() + HOUR
    rest = (await get(api, "/deliveries", after=first["next"])).json()
    assert rest["next"] is None
    assert rest["deliveries"][0]["recipient"] == "bob"
    assert "eve@" not in str(rest)
    shown = await get(
        api, "/deliveries", "operate:read", "operate:personal", personal=True, event=event_key("s", "2")
    )
    assert shown.json()["deliveries"][0]["recipient"] == "eve@example.com"
    assert (await get(api, "/deliveries", personal=True)).status_code == 403
    assert len((await get(api, "/deliveries", reason="limit", recipient="bob")).json()["deliveries"]) == 1
    assert (await get(api, "/deliveries", after="x")).status_code == 400
    assert (await get(api, "/deliveries", delivery="x")).status_code == 400


async def test_a_digest_is_listed_with_the_number_of_its_items(api: ApiFixture) -> None:
    """And its items with the digest that they are in, where they are asked for."""
    item, now_ms = delivery(api, 1), api.clock.now_ms()
    digest = digest_of(item, "bids", now_ms)
    windows = services(api).due_list._windows
    assert isinstance(windows, FakeDigestWindows)
    await windows.add([DigestItem(item, "bids|", digest, now_ms + HOUR)])
    await hold(api, digest, reason=Reason.digest)
    await api.deps.ledger.open(
        [], [NewEntry(item.event, item.id, "alice", "email", State.held, Reason.digest, now_ms, digest.id)]
    )
    (row,) = (await get(api, "/deliveries")).json()["deliveries"]
    assert (row["type"], row["items"]) == ("digest", 1)
    rows = (await get(api, "/deliveries", delivery=item.id)).json()["deliveries"]
    assert [(one["type"], one["digest"]) for one in rows] == [("overbid", digest.id)]


@pytest.mark.parametrize(
    ("verb", "more", "kind", "state"),
    [
        ("release", {}, OperationKind.release, State.held),
        ("retime", {"at_ms": 1_700_000_000_000 + 2 * DAY}, OperationKind.retime, State.held),
        ("cancel", {}, OperationKind.cancel_due, State.skipped),
    ],
)
async def test_what_waits_is_changed_and_recorded(
    api: ApiFixture, verb: str, more: dict[str, int], kind: OperationKind, state: State
) -> None:
    """Counted first; the operation names no recipient."""
    one, other = delivery(api, 1), delivery(api, 2, "bob")
    await hold(api, one)
    await hold(api, other)
    choice = {"recipients": ["alice"], **more}

    plan = (await post(api, verb, {**choice, "dry_run": True})).json()
    assert plan["total"] == 1
    assert plan["counts"] == [{"state": "held", "reason": "quiet_hours", "type": "overbid", "count": 1}]
    assert services(api).due is not None
    assert api.publisher.records(TOPICS.audit) == []
    operation = await ended(api, await post(api, verb, choice))
    assert sum(operation["counts"].values()) == 1
    entries = await api.deps.ledger.entries_of([(one.event, one.id), (other.event, other.id)])
    assert [entry.state for entry in entries if entry] == [state, State.held]
    written = [Operation.from_bytes(record.value or b"") for record in api.publisher.records(TOPICS.audit)]
    assert [(each.action, each.phase) for each in written] == [
        (kind, OperationPhase.begun),
        (kind, OperationPhase.ended),
    ]
    assert "alice" not in str(written)


@pytest.mark.parametrize("verb", ["release", "cancel"])
async def test_nothing_is_changed_without_a_choice(api: ApiFixture, verb: str) -> None:
    """Everything that waits is a choice of its own, and what does not wait is counted as such."""
    for body in ({}, {"all": True, "ids": ["x"]}, {"ids": ["x"]}, {"unknown": 1}):
        assert (await post(api, verb, body)).status_code == 422, body
    assert (await post(api, verb, {"all": True}, scope="operate:read")).status_code == 403
    nothing = await post(api, verb, {"ids": [delivery(api, 7).id]})
    assert (nothing.status_code, nothing.json()["others"]) == (200, {"unknown": 1})
    assert (await post(api, "retime", {"all": True})).status_code == 422
