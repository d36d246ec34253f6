"""Operations over HTTP: replays are counted, begun, followed and cancelled; the list says who did what."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from service.model.ids import delivery_id, event_key
from service.model.ledger import State
from service.model.operation import Operation, OperationKind
from service.model.outcome import Outcome
from service.model.reasons import Reason
from service.pipeline.messages import message_of
from service.pipeline.operate.operations import OperationRunner, Progress
from service.ports import Unavailable
from tests.fakes.operations import FakeOperations
from tests.support.api_fixture import ApiFixture
from tests.support.operator_services import TOPICS
from tests.support.wait import eventually


async def request(
    api: ApiFixture, method: str, path: str, scope: str = "operate:read", **options: Any
) -> Any:
    return await api.client.request(method, f"/v1{path}", headers=api.bearer("ops", scope), **options)


async def begin(api: ApiFixture, kind: OperationKind, work: Any, total: int = 3) -> str:
    """Begin an operation of `ops`; return its id."""
    assert api.deps.operate is not None
    log = api.deps.operate.operation_log("ops", kind, {"types": ["overbid"]})
    await api.deps.operate.operations.start(log, total, work)
    return log.id


async def shown(api: ApiFixture, id_: str, state: str) -> dict[str, Any]:
    """Return an operation once it is in a state."""

    body: dict[str, Any] = {}

    async def look() -> bool:
        body.update((await request(api, "GET", f"/operations/{id_}")).json())
        return bool(body["state"] == state)

    await eventually(look)
    return body


async def test_progress_is_shown_and_an_operation_can_be_cancelled(api: ApiFixture) -> None:
    """It does no further part; what it has done stays counted, and the record says who cancelled it."""
    go, parts = asyncio.Event(), 0

    async def work(progress: Progress) -> Mapping[str, int]:
        nonlocal parts
        while True:
            parts += 1
            progress({"replayed": parts})
            await asyncio.wait_for(go.wait(), 30)
            await asyncio.sleep(0)

    id_ = await begin(api, OperationKind.replay, work)
    running = await shown(api, id_, "running")
    assert (running["total"], running["who"], running["filters"]) == (3, "ops", {"types": ["overbid"]})

    assert (await request(api, "POST", f"/operations/{id_}/cancel", "operate:read")).status_code == 403
    cancelled = await request(api, "POST", f"/operations/{id_}/cancel", "operate:write")
    assert cancelled.status_code == 202
    go.set()

    ended = await shown(api, id_, "cancelled")
    assert ended["counts"]["replayed"] == parts
    records = [Operation.from_bytes(one.value or b"") for one in api.publisher.records(TOPICS.audit)]
    assert [(one.action, one.phase) for one in records] == [
        ("replay", "begun"),
        ("cancel", "ended"),
        ("replay", "cancelled"),
    ]
    again = await request(api, "POST", f"/operations/{id_}/cancel", "operate:write")
    assert (again.status_code, again.json()["detail"].split(",")[0]) == (409, "The operation is cancelled")


@pytest.mark.parametrize(
    ("failure", "error"),
    [(Unavailable("Kafka does not answer"), "Kafka does not answer"), (ValueError("x@y.z"), "ValueError")],
)
async def test_a_failure_is_shown(api: ApiFixture, failure: Exception, error: str) -> None:
    """Without the text of an unforeseen error, which may quote a record."""

    async def work(progress: Progress) -> Mapping[str, int]:
        progress({"replayed": 2})
        raise failure

    body = await shown(api, await begin(api, OperationKind.replay, work), "failed")

    assert (body["error"], body["counts"]) == (error, {"replayed": 2})


async def test_an_operation_whose_process_has_ended_is_interrupted(api: ApiFixture) -> None:
    """After half a minute without progress; there is nothing left to cancel."""
    assert api.deps.operate is not None

    async def work(progress: Progress) -> Mapping[str, int]:
        progress({"replayed": 1})
        await asyncio.sleep(3600)
        return {}

    id_ = await begin(api, OperationKind.replay, work)
    await shown(api, id_, "running")
    await api.deps.operate.operations.close()
    api.clock.advance(60_000)

    assert (await request(api, "GET", f"/operations/{id_}")).json()["state"] == "interrupted"
    assert (await request(api, "POST", f"/operations/{id_}/cancel", "operate:write")).status_code == 409


async def test_what_was_done_is_listed_newest_first(api: ApiFixture) -> None:
    """In pages, by what was done and by whom; also what other processes have done."""

    async def work(progress: Progress) -> Mapping[str, int]:
        return {"redriven": 1}

    ids = []
    for kind in (OperationKind.redrive, OperationKind.replay, OperationKind.redrive):
        ids.append(await begin(api, kind, work))
        await shown(api, ids[-1], "ended")
        api.clock.advance(1000)
    ids.reverse()

    first = (await request(api, "GET", "/operations", params={"limit": 2})).json()
    rest = (await request(api, "GET", "/operations", params={"limit": 2, "after": first["next"]})).json()
    assert [one["id"] for one in first["operations"] + rest["operations"]] == ids
    assert rest["next"] is None
    redrives = (await request(api, "GET", "/operations", params={"action": "redrive"})).json()
    assert [one["id"] for one in redrives["operations"]] == [ids[0], ids[2]]
    assert (await request(api, "GET", "/operations", params={"who": "another"})).json()["operations"] == []
    assert (await request(api, "GET", "/operations/none")).status_code == 404
    assert (await request(api, "GET", "/operations", params={"action": "dance"})).status_code == 400


async def test_a_record_that_cannot_be_written_is_written_later(api: ApiFixture) -> None:
    """Kafka is away when an operation ends: its end is recorded when Kafka is back."""
    assert api.deps.operate is not None

    async def work(progress: Progress) -> Mapping[str, int]:
        api.publisher.outage.reason = "Kafka does not answer"
        return {"redriven": 1}

    id_ = await begin(api, OperationKind.redrive, work)
    await eventually(lambda: api.publisher.outage.reason)
    assert (await shown(api, id_, "running"))["who"] == "ops"
    api.publisher.outage.reason = None

    assert (await shown(api, id_, "ended"))["counts"] == {"redriven": 1}


async def test_a_replay_is_counted_before_it_begins(api: ApiFixture) -> None:
    """A dry run says what would be sent, what was delivered, and what has no record any more."""
    event = event_key("/s", "1")
    for name, state in (("alice", State.bounced), ("bob", State.sent)):
        outcome = Outcome(
            delivery_id(event, name, "email"),
            event,
            "overbid",
            name,
            "email",
            state,
            api.clock.now_ms(),
            Reason.none,
        )
        await api.publisher.publish([message_of(TOPICS, outcome)])
    api.clock.advance(1)

    answer = await request(api, "POST", "/replays", "operate:write", json={"dry_run": True})
    assert (answer.status_code, answer.json()) == (200, {"total": 0, "delivered": 1, "lost": 1, "counts": []})
    none = await request(api, "POST", "/replays", "operate:write", json={"types": ["no_such"]})
    assert (none.status_code, none.json()["total"]) == (200, 0)


@pytest.mark.parametrize(
    ("body", "part"),
    [
        ({"states": ["withdrawn"]}, "withdrawn cannot be replayed"),
        ({"states": ["dance"]}, "Input should be"),
        ({"since_ms": 5, "until_ms": 5}, "until_ms must be after since_ms"),
        ({"rate": 0}, "greater than or equal to 0.1"),
        ({"unknown": 1}, "Extra inputs are not permitted"),
    ],
)
async def test_a_replay_needs_a_filter_that_makes_sense(api: ApiFixture, body: Any, part: str) -> None:
    """422 with what is wrong."""
    answer = await request(api, "POST", "/replays", "operate:write", json=body)

    assert answer.status_code == 422
    assert part in answer.text
    assert (await request(api, "POST", "/replays", "operate:read", json={})).status_code == 403


async def test_two_runners_show_each_others_operations(api: ApiFixture) -> None:
    """Two processes share the progress in Redis and the records in Kafka; each may cancel what the other runs."""
    assert api.deps.operate is not None
    shared = FakeOperations()
    first, second = (OperationRunner(shared, api.deps.operate.audit, api.clock) for _ in range(2))

    async def work(progress: Progress) -> Mapping[str, int]:
        while True:
            progress({"replayed": 1})
            await asyncio.sleep(0.01)

    log = api.deps.operate.operation_log("ops", OperationKind.replay, {})
    await first.start(log, 9, work)
    status = await second.status(log.id)
    assert status is not None
    assert (status.state, status.total) == ("running", 9)
    await second.cancel(log.id)

    async def over() -> bool:
        status = await second.status(log.id)
        return status is not None and status.state == "cancelled"

    await eventually(over)
