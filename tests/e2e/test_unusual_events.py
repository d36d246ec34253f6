"""Unusual events end as they should, and whatever was accepted is shown by every reader."""

import base64
from collections.abc import Mapping
from typing import Any

import httpx

from tests.support.real_pipeline import RealPipeline
from tests.support.served_pipeline import bearer, served_pipeline
from tests.support.wait import eventually

SOURCE = "/unusual"
_BINARY = {"ce_specversion": "1.0", "ce_source": SOURCE, "ce_type": "winner", "ce_recipients": "alice"}


def winner(event_id: str, **fields: Any) -> dict[str, Any]:
    event = {
        "specversion": "1.0",
        "id": event_id,
        "source": SOURCE,
        "type": "winner",
        "recipients": ["alice"],
    }
    return event | {"data": {"lot_id": "1"}} | fields


def overbid(event_id: str, **fields: Any) -> dict[str, Any]:
    return winner(event_id) | {"type": "overbid", "data": {"lot_id": "77"}} | fields


DELIVERED = (
    winner("plain"),
    winner("leap second", time="2016-12-31T23:59:60Z"),
    winner("small letters", time="2026-11-26t10:00:00z"),
    winner("first moment", time="1970-01-01T00:00:00Z"),
    winner("data in base64", data=None, data_base64=base64.b64encode(b'{"lot_id":"7"}').decode()),
    winner("never expires", expirytime="9999-12-31T23:59:59.9999999Z"),
    winner("nulls", subject=None, time=None, dataschema=None, expires=None),
    winner("largest integer", data={"lot_id": "1", "n": 2**64 - 1, "m": -(2**63)}),
    winner("emoji \U0001f469\u200d\U0001f4bb", data={"lot_id": "\u0000\u2028\U0001f600 <b> {{ 7*7 }}"}),
    winner("large", data={"lot_id": "1", "text": "x" * 200_000}),
)
REFUSED = {
    "largest time": ({"time": "9999-12-31T23:59:59-12:00"}, "invalid_attribute"),
    "DateTime.MaxValue": ({"time": "9999-12-31T23:59:59.9999999Z"}, "invalid_attribute"),
    "smallest time": ({"time": "0001-01-01T00:00:00+01:00"}, "invalid_attribute"),
    "week date": ({"time": "2026-W48-4T10:00:00Z"}, "invalid_attribute"),
    "offset without a colon": ({"time": "2026-11-26T10:00:00+0000"}, "invalid_attribute"),
    "integer over 64 bits": ({"data": {"lot_id": "1", "n": 2**64}}, "number_out_of_range"),
}
BINARY: dict[str, Mapping[str, str | None]] = {
    "null content type": {"content-type": None},
    "null time": {"content-type": "application/json", "ce_time": None},
    "no content type": {},
}


async def publish(pipeline: RealPipeline) -> None:
    await pipeline.publish(*DELIVERED, *(winner(name, **fields) for name, (fields, _) in REFUSED.items()))
    await pipeline.publish(winner("expired", expirytime="2026-01-01T00:00:00Z"))
    await pipeline.publish(b"\x00\x00\x00\x00\x01{}")
    for name, headers in BINARY.items():
        pairs = {**_BINARY, "ce_id": name, **headers}.items()
        encoded = [(key, None if text is None else text.encode()) for key, text in pairs]
        await pipeline.publish({"lot_id": "1"}, headers=encoded)  # type: ignore[arg-type]


async def test_whatever_is_accepted_is_shown() -> None:
    """The list, the pages, the stream's snapshot, `explain` and `tail` answer for everything that was delivered."""
    async with served_pipeline() as (pipeline, api):
        await publish(pipeline)
        for event_id in (*(str(event["id"]) for event in DELIVERED), *BINARY):
            entries = await pipeline.wait_until_finished(SOURCE, event_id)
            assert {(e.channel, e.state) for e in entries} == {("inbox", "delivered"), ("email", "sent")}, (
                event_id
            )
        expired = await pipeline.wait_until_finished(SOURCE, "expired")
        assert {entry.state for entry in expired} == {"expired"}

        async def refused() -> bool:
            return len(await pipeline.dead_letters()) == len(REFUSED) + 1

        await eventually(refused, 30)
        reasons = [headers["tocsin-reason"].decode() for _, headers in await pipeline.dead_letters()]
        expected = [*(reason for _, reason in REFUSED.values()), "schema_registry_framing"]
        assert sorted(reasons) == sorted(expected)

        alice = {"Authorization": f"Bearer {bearer('alice', 'inbox operate')}"}
        async with httpx.AsyncClient(base_url=api, headers=alice, timeout=30) as client:
            for path in (
                "/notifications",
                "/notifications?page[size]=3",
                "/notifications?status=all",
                "/counts",
            ):
                assert (await client.get(path)).status_code == 200, path
            shown = (await client.get("/notifications")).json()["data"]
            assert len(shown) == len(DELIVERED) + len(BINARY)
            assert {"n": 2**64 - 1, "m": -(2**63), "lot_id": "1"} in [
                one["attributes"]["meta"] for one in shown
            ]
            assert (await client.get("/v1/explain", params={"recipient": "alice"})).status_code == 200
            async with client.stream("GET", "/v1/inbox/stream") as stream:
                assert stream.status_code == 200
                assert (await anext(stream.aiter_lines())).startswith(("retry", "event", "id", ":"))
        for event_id in ("leap second", "expired", str(DELIVERED[8]["id"])):
            code, documents, output = await pipeline.tocsin("explain", "--event", event_id, "--json")
            assert code == 0, output
            assert documents


async def test_an_event_dated_2099_supersedes_nothing_for_long() -> None:
    """A later overbid of the lot is mailed, and `explain` shows the time that the first one stated."""
    async with served_pipeline() as (pipeline, _):
        await pipeline.publish(overbid("far", time="2099-01-01T00:00:00Z"))
        await pipeline.wait_until_finished(SOURCE, "far")
        await pipeline.publish(overbid("real"), overbid("far", time="2099-01-01T00:00:00Z"))
        entries = await pipeline.wait_until_finished(SOURCE, "real")

        assert {entry.state for entry in entries if entry.channel == "email"} == {"sent"}
        _, documents, _ = await pipeline.tocsin("explain", "--event", "far", "--json")
        head = documents[0]["events"][0]["event"] if "events" in documents[0] else documents[0]["event"]
        assert head["stated_ms"] == 4_070_908_800_000
        assert head["time_ms"] == head["received_ms"] < 4_070_908_800_000


async def test_costly_events_hold_up_nothing() -> None:
    """Events of 256 KiB that are made to be costly become dead letters, and those beside them are delivered at once."""
    costly = [
        b"{" + b",".join(b'"%d":1' % n for n in range(22_000)) + b',"0":1}',
        b"{" + b",".join([b'"a":1'] * 40_000) + b"}",
        b"[" + b",".join([b"[" * 60 + b"]" * 60] * 2_000) + b"]",
        b'{"n":' + b"9" * 250_000 + b"}",
        b'["' + b'\\":' * 80_000 + b'"]',
        b"[" * 250_000,
    ]
    async with served_pipeline() as (pipeline, _):
        for n in range(10):
            await pipeline.publish(*costly, winner(f"good {n}"))
        for n in range(10):
            await pipeline.wait_until_finished(SOURCE, f"good {n}", timeout_s=30)

        async def refused() -> bool:
            return len(await pipeline.dead_letters()) == 10 * len(costly)

        await eventually(refused, 60)
