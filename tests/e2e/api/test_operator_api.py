"""The operator HTTP API beside a real pipeline: lists, histories, redrive, replay, and the stream of outcomes."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from service.model.recipient import Recipient
from tests.support.real_pipeline import RealPipeline
from tests.support.served_pipeline import bearer, served_pipeline
from tests.support.wait import eventually


@asynccontextmanager
async def client_of(base: str, scope: str = "operate:write") -> AsyncIterator[httpx.AsyncClient]:
    """Yield a client of an operator with this scope."""
    headers = {"Authorization": f"Bearer {bearer('ops', scope)}"}
    async with httpx.AsyncClient(base_url=f"{base}/v1", headers=headers, timeout=60) as client:
        yield client


ALICE = {"channel": "email", "recipient": "alice"}


async def events_of(lines: AsyncIterator[str], count: int) -> list[tuple[str, dict[str, Any]]]:
    """Return so many events of a stream, each with its id."""
    found: list[tuple[str, dict[str, Any]]] = []
    id_ = ""
    async for line in lines:
        if line.startswith("id: "):
            id_ = line[4:]
        elif line.startswith("data: "):
            found.append((id_, json.loads(line[6:])))
            if len(found) == count:
                break
    return found


async def over(client: httpx.AsyncClient, answer: httpx.Response) -> dict[str, Any]:
    """Return an operation that has begun, once it is over."""
    assert answer.status_code == 202, answer.text
    shown: dict[str, Any] = {}

    async def look() -> bool:
        shown.update((await client.get(f"/operations/{answer.json()['id']}")).json())
        return bool(shown["state"] != "running")

    await eventually(look, 60)
    return shown


def event(id_: str, *recipients: str, **data: str) -> dict[str, Any]:
    return {
        "id": id_,
        "source": "/e2e",
        "type": "overbid",
        "recipients": list(recipients),
        "data": {"lot_id": "9"} | data,
    }


@pytest.mark.timeout(240)
async def test_what_went_wrong_is_found_corrected_and_sent() -> None:
    """A refused address is found by its state, its history has the relay's words, and the replay sends it once."""
    async with served_pipeline() as (pipeline, base), client_of(base) as client:
        bob = Recipient(id="bob", address="bounced@simulator.test", roles=("user",), version=2)
        await pipeline.parts.writes.put_recipients([bob])
        await pipeline.publish(event("1", "alice", "bob"))
        await pipeline.wait_until_finished("/e2e", "1")

        (refused,) = await listed(client, state="bounced")
        assert (refused["recipient"], refused["reason"], refused["relay"]) == (
            "bob",
            "mailbox_unknown",
            "relay1",
        )
        assert {one["state"] for one in await listed(client)} == {"bounced", "sent", "delivered"}
        whole = await listed(client)
        assert await paged(client, 1) == whole
        assert {one["event_id"] for one in await listed(client, recipient="bob")} == {"1"}

        history = (await client.get(f"/deliveries/{refused['delivery']}")).json()
        ((explained,),) = [one["deliveries"] for one in history["events"]]
        assert [step["state"] for step in explained["steps"]] == ["bounced", "sending", "queued"]
        assert explained["steps"][0]["reply"].startswith("550 5.1.1")
        assert (await client.get("/deliveries/none")).status_code == 404
        assert (await client.get("/events/1")).json()["events"][0]["sums"]["balanced"] is True
        (row,) = (await client.get("/events")).json()["events"]
        assert (row["id"], row["recipients"]) == ("1", 2)

        corrected = bob.model_copy(update={"address": "bob.new@example.com", "version": 3})
        await pipeline.parts.writes.put_recipients([corrected])
        form = {"events": ["1"], "states": ["bounced"]}
        plan = (await client.post("/replays", json=form | {"dry_run": True})).json()
        assert plan["counts"] == [
            {"state": "bounced", "reason": "mailbox_unknown", "channel": "email", "count": 1}
        ]
        operation = await over(client, await client.post("/replays", json=form))
        assert (operation["state"], operation["counts"]) == ("ended", {"replayed": 1})
        await eventually(lambda: _mailed(pipeline, "bob.new@example.com"), 60)
        (done,) = (await client.get("/operations", params={"action": "replay"})).json()["operations"]
        assert (done["who"], done["filters"]["states"]) == ("recipient:ops", ["bounced"])
        code, (report,), output = await pipeline.tocsin("audit", "--json")
        assert (code, report["drift_left"]) == (0, 0), output


@pytest.mark.timeout(240)
async def test_dead_letters_are_redriven_by_id() -> None:
    """The record is on its topic again, and becomes another dead letter, since nothing was corrected."""
    async with served_pipeline() as (pipeline, base), client_of(base) as client:
        await pipeline.publish(b"{\xff", event("1", "alice") | {"type": "no_such"})
        await eventually(lambda: _dead(client, 2), 60)

        (unknown,) = (await client.get("/dead-letters", params={"reason": "unknown_type"})).json()[
            "dead_letters"
        ]
        shown = (await client.get(f"/dead-letters/{unknown['id']}")).json()
        assert json.loads(shown["value"])["type"] == "no_such"
        operation = await over(
            client, await client.post("/dead-letters/redrive", json={"ids": [unknown["id"]]})
        )
        assert operation["counts"] == {"redriven": 1}
        await eventually(lambda: _dead(client, 3), 60)
        assert (await client.get(f"/dead-letters/{unknown['id']}")).json()["state"] == "redriven"
        answer = await client.post("/dead-letters/discard", json={"reasons": ["invalid_utf8"]})
        assert (await over(client, answer))["counts"] == {"discarded": 1}
        code, documents, output = await pipeline.tocsin(
            "dead-letters", "list", "--json", "--state", "discarded"
        )
        assert (code, [one["by"] for one in documents]) == (0, ["recipient:ops"]), output


@pytest.mark.timeout(240)
async def test_outcomes_are_streamed_as_they_come_and_from_where_a_client_was() -> None:
    """Filters choose; a client that comes back gets what it has missed, once and in order."""
    async with served_pipeline() as (pipeline, base), client_of(base, "operate:read") as client:
        async with client.stream("GET", "/outcomes/stream", params=ALICE) as stream:
            assert stream.headers["content-type"].startswith("text/event-stream")
            lines = stream.aiter_lines()
            assert await anext(lines) == "retry: 2000"
            await pipeline.publish(event("1", "alice"))
            ((last_id, first),) = await events_of(lines, 1)
        assert (first["event_id"], first["recipient"], first["state"]) == ("1", "alice", "sent")

        await pipeline.publish(event("2", "alice", lot_id="2"), event("3", "alice", lot_id="3"))
        await pipeline.wait_until_finished("/e2e", "3")
        await pipeline.wait_until_finished("/e2e", "2")
        headers = {"Last-Event-ID": last_id}
        async with client.stream("GET", "/outcomes/stream", params=ALICE, headers=headers) as stream:
            missed = await events_of(stream.aiter_lines(), 2)
        assert {one["event_id"] for _, one in missed} == {"2", "3"}
        query = ALICE | {"since": "1", "state": "sent"}
        async with client.stream("GET", "/outcomes/stream", params=query) as stream:
            whole = await events_of(stream.aiter_lines(), 3)
        assert {one["event_id"] for _, one in whole} == {"1", "2", "3"}
        wrong = await client.get("/outcomes/stream", params={"last_event_id": "nonsense"})
        assert (wrong.status_code, wrong.json()["errors"][0]["parameter"]) == (400, "last_event_id")


@pytest.mark.timeout(240)
async def test_a_client_that_leaves_frees_its_place() -> None:
    """At most twenty streams are open in a process."""
    async with served_pipeline() as (_, base), client_of(base, "operate:read") as client:
        async with asyncio.TaskGroup() as group:
            opened, done = asyncio.Semaphore(0), asyncio.Event()

            async def hold() -> None:
                async with client.stream("GET", "/outcomes/stream") as stream:
                    assert stream.status_code == 200
                    lines = stream.aiter_lines()
                    await anext(lines)
                    opened.release()
                    await done.wait()
                    await lines.aclose()  # type: ignore[attr-defined]  # not before: that leaves the stream

            for _ in range(20):
                group.create_task(hold())
            for _ in range(20):
                await opened.acquire()
            refused = await client.get("/outcomes/stream")
            assert (refused.status_code, refused.headers["retry-after"]) == (429, "10")
            done.set()

        async def accepted() -> bool:
            async with client.stream("GET", "/outcomes/stream") as stream:
                return stream.status_code == 200

        await eventually(accepted)


async def listed(client: httpx.AsyncClient, **query: str) -> list[dict[str, Any]]:
    answer = await client.get("/deliveries", params=query)
    assert answer.status_code == 200, answer.text
    rows: list[dict[str, Any]] = answer.json()["deliveries"]
    return rows


async def paged(client: httpx.AsyncClient, size: int) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    after = ""
    while True:
        page = (await client.get("/deliveries", params={"limit": size, "after": after})).json()
        rows += page["deliveries"]
        if not (after := page["next"]):
            return rows


async def _dead(client: httpx.AsyncClient, count: int) -> bool:
    return len((await client.get("/dead-letters")).json()["dead_letters"]) == count


async def _mailed(pipeline: RealPipeline, address: str) -> bool:
    return any(to == address for to, _ in pipeline.mail_counts())
