"""GET /v1/explain and POST /v1/what-if: who may ask, what is masked, what is refused."""

from dataclasses import replace
from typing import Any

import pytest

from service.pipeline.operate.explain import Explainer
from service.pipeline.operate.what_if import WhatIf
from service.pipeline.resolve.stage import ResolveHandler
from service.pipeline.resolve.withdraw import WithdrawalProcessor
from tests.fakes.address_search import FakeAddressSearch
from tests.fakes.due import FakeDueSet
from tests.fakes.supersede import FakeSupersede
from tests.fakes.withdrawals import FakeWithdrawals
from tests.support.api_fixture import World
from tests.support.fake_pipeline import TOPICS, Pipeline
from tests.unit.pipeline.operate.test_what_if import Log

EVENT = {"id": "1", "source": "/shop", "type": "overbid", "recipients": ["alice"], "data": {"lot_id": "7"}}


@pytest.fixture
async def asking(world: World) -> World:
    """A world in which one overbid was resolved."""
    deps, tables = world.deps, world.tables
    due, ledger = FakeDueSet(), deps.ledger
    await Pipeline.seed(_Seeded(tables))  # type: ignore[arg-type]  # only its tables are used
    withdraw = WithdrawalProcessor(
        ledger, deps.inbox, due, FakeWithdrawals(), topics=TOPICS, clock=deps.clock
    )
    resolve = ResolveHandler(
        deps.catalogue, tables, ledger, FakeSupersede(), withdraw, topics=TOPICS, clock=deps.clock
    )
    log = Log(EVENT, at_ms=deps.clock.now_ms())
    _ = [done async for done in resolve(log.records)]
    search = FakeAddressSearch(tables)  # type: ignore[arg-type]
    explain = Explainer(deps.catalogue, ledger, ledger, tables, due=due, search=search, clock=deps.clock)  # type: ignore[arg-type]
    asked = WhatIf(deps.catalogue, tables, deps.inbox, log, deps.clock)
    world.app.state.deps = replace(deps, explain=explain, what_if=asked)
    return world


class _Seeded:
    def __init__(self, tables: Any) -> None:
        self.tables = tables


async def get(world: World, scope: str = "operate", **query: str) -> Any:
    return await world.client.get("/v1/explain", params=query, headers=world.bearer("op", scope))


async def post(world: World, body: Any, scope: str = "operate", **query: str) -> Any:
    return await world.client.post("/v1/what-if", json=body, params=query, headers=world.bearer("op", scope))


async def test_an_event_is_explained_with_addresses_masked(asking: World) -> None:
    """Unless `personal` asks for them."""
    answer = await get(asking, event="1", recipient="alice")

    assert answer.status_code == 200
    (found,) = answer.json()["events"]
    assert {d["state"] for d in found["deliveries"]} == {"queued"}
    assert "alice@example.com" not in answer.text
    assert "alice@example.com" in (await get(asking, event="1", recipient="alice", personal="true")).text


async def test_only_operators_may_ask(asking: World) -> None:
    """Neither readers of inboxes nor publishers."""
    for scope in ("inbox", "events", "tables"):
        assert (await get(asking, scope, event="1")).status_code == 403
        assert (await post(asking, {"event": EVENT}, scope)).status_code == 403


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
async def test_what_may_be_asked(asking: World, query: dict[str, str], status: int) -> None:
    """An event, a recipient or an address; a time with its zone; 404 where nothing is known."""
    assert (await get(asking, **query)).status_code == status


async def test_what_if_answers_for_an_event_and_for_a_change(asking: World) -> None:
    """Nothing is published, nothing enters the ledger."""
    would = await post(asking, {"event": EVENT | {"id": "2", "recipients": ["bob"]}})
    assert would.status_code == 200
    assert {(w["recipient"], w["state"]) for w in would.json()["would"]} == {
        ("bob", "queued"),
        ("carol", "queued"),
    }
    assert "bob@example.com" not in would.text
    off = {"recipient": "alice", "type": "overbid", "channel": "email", "on": False}
    changed = await post(asking, {"preferences": [off], "days": 2})
    assert changed.json()["counts"] == {"more": 0, "fewer": 1}
    assert (await get(asking, event="2")).status_code == 404
    assert asking.publisher.messages == []


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
async def test_wrong_questions_are_refused(asking: World, body: Any) -> None:
    """422, with what is wrong."""
    assert (await post(asking, body)).status_code == 422
