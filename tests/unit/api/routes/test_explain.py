"""GET /v1/explain and POST /v1/what-if: authorization, masking, invalid requests."""

from dataclasses import replace
from typing import Any

import pytest

from service.model.operation import Operation, pseudonym
from service.pipeline.email.allowances import NO_LIMIT, Allowances
from service.pipeline.operate.explain import Explainer
from service.pipeline.operate.problems import Observer
from service.pipeline.operate.what_if import WhatIf
from service.pipeline.resolve.stage import ResolveHandler
from service.pipeline.resolve.withdraw import WithdrawalProcessor
from tests.fakes.address_search import FakeAddressSearch
from tests.fakes.digest_windows import FakeDigestWindows
from tests.fakes.due import FakeDueSet
from tests.fakes.fan_outs import FakeFanOuts
from tests.fakes.mail_limits import FakeMailLimits
from tests.fakes.supersede_index import FakeSupersedeIndex
from tests.fakes.tables import FakeTables
from tests.fakes.withdrawals import FakeWithdrawals
from tests.fakes.worker_reports import FakeWorkerReports
from tests.support.api_fixture import ApiFixture
from tests.support.fake_pipeline import TOPICS, FakePipeline
from tests.unit.pipeline.operate.test_what_if import Log

EVENT = {"id": "1", "source": "/shop", "type": "overbid", "recipients": ["alice"], "data": {"lot_id": "7"}}


@pytest.fixture
async def resolved(api: ApiFixture) -> ApiFixture:
    """Return an API behind which one overbid was resolved."""
    deps, tables = api.deps, api.tables
    due, ledger = FakeDueSet(), deps.ledger
    await FakePipeline.seed(_Seeded(tables))  # type: ignore[arg-type]  # only its tables are used
    withdraw = WithdrawalProcessor(
        ledger, deps.inbox, due, FakeWithdrawals(), topics=TOPICS, clock=deps.clock
    )
    resolve = ResolveHandler(
        deps.catalogue,
        tables,
        ledger,
        FakeSupersedeIndex(),
        withdraw,
        fan_outs=FakeFanOuts(),
        topics=TOPICS,
        clock=deps.clock,
    )
    log = Log(EVENT, at_ms=deps.clock.now_ms())
    _ = [done async for done in resolve(log.records)]
    search = FakeAddressSearch(tables)  # type: ignore[arg-type]
    explain = Explainer(
        deps.catalogue,
        ledger,
        ledger,
        tables,
        due=due,
        windows=FakeDigestWindows(),
        search=search,
        observer=Observer(FakeWorkerReports(), FakeTables(), due, deps.clock),
        clock=deps.clock,
    )  # type: ignore[arg-type]
    allowances = Allowances(deps.catalogue, FakeMailLimits(), NO_LIMIT)
    what_if = WhatIf(deps.catalogue, tables, deps.inbox, log, allowances=allowances, clock=deps.clock)
    api.app.state.deps = replace(deps, explain=explain, what_if=what_if)
    return api


class _Seeded:
    def __init__(self, tables: Any) -> None:
        self.tables = tables


async def get(api: ApiFixture, scope: str = "operate", **query: str) -> Any:
    return await api.client.get("/v1/explain", params=query, headers=api.bearer("op", scope))


async def post(api: ApiFixture, body: Any, scope: str = "operate", **query: str) -> Any:
    return await api.client.post("/v1/what-if", json=body, params=query, headers=api.bearer("op", scope))


async def test_an_event_is_explained_with_addresses_masked(resolved: ApiFixture) -> None:
    """Addresses are masked unless the request has `personal`."""
    answer = await get(resolved, event="1", recipient="alice")

    assert answer.status_code == 200
    (event,) = answer.json()["events"]
    assert {d["state"] for d in event["deliveries"]} == {"queued"}
    assert "alice@example.com" not in answer.text
    whole = await get(resolved, event="1", recipient="alice", personal="true")
    assert "alice@example.com" in whole.text
    (revealed,) = [Operation.from_bytes(one.value or b"") for one in resolved.publisher.records(TOPICS.audit)]
    assert (revealed.action, revealed.who, revealed.filters) == (
        "reveal",
        "recipient:op",
        {"event": "1", "recipient": pseudonym("alice")},
    )
    assert (await get(resolved, "operate:read", event="1", personal="true")).status_code == 403


async def test_only_operators_have_access(resolved: ApiFixture) -> None:
    """Tokens with the scopes inbox, events or tables are 403."""
    for scope in ("inbox", "events", "tables"):
        assert (await get(resolved, scope, event="1")).status_code == 403
        assert (await post(resolved, {"event": EVENT}, scope)).status_code == 403


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({}, 400),
        ({"recipient": "alice", "address": "a@example.com"}, 400),
        ({"recipient": "alice", "since": "yesterday"}, 400),
        ({"recipient": "alice", "since": "2026-01-01T00:00:00"}, 400),
        ({"event": "unknown"}, 404),
        ({"recipient": "alice", "since": "2999-01-01T00:00:00Z"}, 404),
        ({"recipient": "alice", "since": "5", "type": "overbid"}, 200),
        ({"address": "ALICE@example.com"}, 200),
    ],
)
async def test_queries(resolved: ApiFixture, query: dict[str, str], status: int) -> None:
    """A query needs an event, a recipient or an address, and a time with a zone; it is 404 if nothing matches."""
    assert (await get(resolved, **query)).status_code == status


async def test_what_if_predicts_an_event_and_a_change(resolved: ApiFixture) -> None:
    """The deliveries of both are predicted; nothing is published or written to the ledger."""
    predicted = await post(resolved, {"event": EVENT | {"id": "2", "recipients": ["bob"]}})
    assert predicted.status_code == 200
    assert {(w["recipient"], w["state"]) for w in predicted.json()["would"]} == {
        ("bob", "queued"),
        ("carol", "queued"),
    }
    assert "bob@example.com" not in predicted.text
    unmasked = await post(resolved, {"event": EVENT | {"id": "2", "recipients": ["bob"]}}, personal="true")
    assert unmasked.status_code == 200
    assert "bob@example.com" in unmasked.text
    off = {"recipient": "alice", "type": "overbid", "channel": "email", "on": False}
    changed = await post(resolved, {"preferences": [off], "days": 2})
    assert changed.json()["counts"] == {"more": 0, "fewer": 1}
    assert (await get(resolved, event="2")).status_code == 404
    assert {one.topic for one in resolved.publisher.messages} == {TOPICS.audit}  # who saw addresses


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"event": EVENT, "preferences": [{"recipient": "a", "type": "t", "channel": "email", "on": True}]},
        {"event": {"id": "1"}},
        {"event": {"id": "w", "source": "/s", "type": "withdraw", "data": {"id": "1"}}},
        {"preferences": [{"recipient": "a", "type": "t", "channel": "pigeon", "on": True}]},
        {"groups": [{"external_id": "1", "addresses": {}}], "days": 1000},
        {"unknown": 1},
    ],
)
async def test_invalid_what_if_requests_are_refused(resolved: ApiFixture, body: Any) -> None:
    """An invalid form, event or change is 422."""
    assert (await post(resolved, body)).status_code == 422
