"""A producer withdraws events: pending deliveries stop, inbox entries are removed, in any order."""

import json
from typing import Any

import pytest

from service.model.event import InvalidEvent, Withdrawal
from service.model.ids import event_key
from service.model.withdrawal import WithdrawalRecord
from service.pipeline.resolve.ingest import parse
from tests.support.catalogues import small_catalogue
from tests.support.fake_pipeline import FakePipeline

OVERBID = {
    "id": "1", "type": "overbid", "recipients": ["alice"], "time": "2023-01-01T00:00:00Z", "data": {"lot_id": "7"}
}  # fmt: skip
BY_ID = {"id": "w", "type": "com.example.withdraw", "data": {"id": "1"}}
BY_DATA = {
    "id": "w", "type": "withdraw", "time": "2023-01-01T00:00:05Z",
    "data": {"type": "overbid", "data": {"lot_id": "7"}},
}  # fmt: skip
BY_KEY = BY_DATA | {"data": {"type": "x.overbid", "key": "7"}}
WITHDRAWN = ("withdrawn", "withdrawn_by_source")


@pytest.fixture
async def pipeline() -> FakePipeline:
    made = FakePipeline()
    await made.seed()
    return made


def withdrawal(**fields: Any) -> Withdrawal:
    event = {"id": "w", "source": "/t", "type": "withdraw"} | fields
    parsed = parse(json.dumps(event).encode(), (), small_catalogue(), 1000)
    assert isinstance(parsed, Withdrawal)
    return parsed


@pytest.mark.parametrize("verb", [BY_ID, BY_DATA, BY_KEY])
@pytest.mark.parametrize("order", ["before", "after", "twice", "same batch", "other order in the batch"])
async def test_an_event_and_its_withdrawal_meet_in_any_order(
    pipeline: FakePipeline, verb: dict[str, Any], order: str
) -> None:
    """No message is sent, no inbox entry stays, and every delivery is withdrawn."""
    batches = {
        "before": [[verb], [OVERBID]],
        "after": [[OVERBID], [verb]],
        "twice": [[verb], [OVERBID], [verb], [verb | {"id": "w2"}], [OVERBID]],
        "same batch": [[OVERBID, verb]],
        "other order in the batch": [[verb, OVERBID]],
    }[order]
    for batch in batches:
        await pipeline.ingest(*batch)
    await pipeline.deliver()

    assert set((await pipeline.states("1")).values()) == {WITHDRAWN}
    assert not pipeline.transport.copies
    assert await pipeline.inbox.counts("alice") == {}
    last = {(o.recipient, o.channel): o.state.value for o in pipeline.outcomes()}
    assert set(last.values()) == {"withdrawn"}
    assert len(last) == 4


async def test_what_was_delivered_leaves_the_inbox_and_mail_sent_stays_sent(pipeline: FakePipeline) -> None:
    """A late withdrawal is harmless: sent mail cannot be withdrawn."""
    await pipeline.ingest(OVERBID)
    await pipeline.deliver()
    assert await pipeline.inbox.counts("alice") == {"overbid": 1}
    await pipeline.ingest(BY_ID)

    states = await pipeline.states("1")
    assert states["alice", "email"] == ("sent", "")
    assert states["alice", "inbox"] == WITHDRAWN
    assert await pipeline.inbox.counts("alice") == {}
    outcomes = [(o.channel, o.event_id, o.type) for o in pipeline.outcomes() if o.state == "withdrawn"]
    assert outcomes == [("inbox", "1", "overbid")] * 2  # alice and carol
    await pipeline.ingest(BY_ID)
    assert await pipeline.states("1") == states


async def test_mail_that_waits_for_its_next_attempt_is_stopped(pipeline: FakePipeline) -> None:
    """A deferred delivery becomes withdrawn, and leaves the due set."""
    row = pipeline.tables.recipients["alice"]
    address = "deferred@simulator.test"
    await pipeline.tables.put_recipients([row.model_copy(update={"address": address, "version": 2})])
    await pipeline.ingest(OVERBID)
    await pipeline.deliver()
    assert (await pipeline.states("1"))["alice", "email"][0] == "deferred"
    assert await pipeline.due.count() == 1
    await pipeline.ingest(BY_ID)

    assert (await pipeline.states("1"))["alice", "email"] == WITHDRAWN
    assert await pipeline.due.count() == 0


async def test_a_key_withdraws_what_is_not_newer(pipeline: FakePipeline) -> None:
    """Two of three bids are up to the withdrawal's time; a later bid and another lot stay."""
    await pipeline.ingest(
        OVERBID,
        OVERBID | {"id": "2", "time": "2023-01-01T00:00:05Z"},
        OVERBID | {"id": "3", "time": "2023-01-01T00:00:06Z"},
        OVERBID | {"id": "4", "data": {"lot_id": "8"}},
    )
    await pipeline.ingest(BY_DATA)
    await pipeline.ingest(OVERBID | {"id": "5", "time": "2023-01-01T00:00:04Z"})

    for gone in "125":
        assert set((await pipeline.states(gone)).values()) == {WITHDRAWN}
    for stays in "34":
        assert set((await pipeline.states(stays)).values()) == {("queued", "")}


async def test_other_types_with_the_same_key_stay(pipeline: FakePipeline) -> None:
    """A key belongs to its type. Any type may have one, by the extension."""
    await pipeline.ingest(
        {"id": "1", "type": "winner", "recipients": ["alice"], "supersede_key": "7", "data": {"lot_id": "x"}},
        OVERBID | {"id": "2"},
        {
            "id": "3",
            "type": "overbid",
            "recipients": ["alice"],
            "supersedekey": "other",
            "data": {"lot_id": "7"},
        },
    )
    await pipeline.ingest({"id": "w", "type": "withdraw", "data": {"type": "winner", "key": "7"}})

    assert set((await pipeline.states("1")).values()) == {WITHDRAWN}
    assert set((await pipeline.states("2")).values()) == {("queued", "")}
    await pipeline.ingest(BY_KEY | {"id": "w2"})
    assert set((await pipeline.states("2")).values()) == {WITHDRAWN}
    assert set((await pipeline.states("3")).values()) == {("queued", "")}


async def test_an_event_may_bring_its_own_supersede_key(pipeline: FakePipeline) -> None:
    """A key replaces the type's, or is used where the type has none: only the newest of a key is mailed."""
    winner = {"type": "winner", "recipients": ["alice"], "supersede_key": "k", "data": {"lot_id": "x"}}
    await pipeline.ingest(
        winner | {"id": "1", "time": "2023-01-01T00:00:00Z"},
        winner | {"id": "2", "time": "2023-01-01T00:00:01Z", "data": {"lot_id": "y"}},
        OVERBID | {"id": "3", "supersede_key": "a"},
        OVERBID | {"id": "4", "time": "2023-01-01T00:00:09Z", "data": {"lot_id": "7", "supersedekey": "b"}},
    )
    await pipeline.deliver()

    mail = {name: (await pipeline.states(name))["alice", "email"][0] for name in "1234"}
    assert mail == {"1": "superseded", "2": "sent", "3": "sent", "4": "sent"}


async def test_a_long_supersede_key_is_short_in_every_delivery(pipeline: FakePipeline) -> None:
    """A field of the data may have thousands of characters; events and withdrawals of the same data share the key."""
    data = {"lot_id": "x" * 9_000}
    await pipeline.ingest(
        OVERBID | {"id": "1", "data": data}, OVERBID | {"id": "2", "data": {"lot_id": "x" * 8_999}}
    )
    keys = {json.loads(r.value or b"")["supersede"] for r in pipeline.email_records()}
    assert len(keys) == 2
    assert max(map(len, keys)) < 100

    await pipeline.ingest(BY_KEY | {"id": "w", "data": {"type": "overbid", "data": data}})
    assert set((await pipeline.states("1")).values()) == {WITHDRAWN}
    assert set((await pipeline.states("2")).values()) == {("queued", "")}


async def test_what_was_skipped_stays_skipped(pipeline: FakePipeline) -> None:
    """A delivery that was never to be made is not withdrawn."""
    await pipeline.ingest(OVERBID | {"recipients": ["ghost"]})
    await pipeline.ingest(BY_ID | {"data": {"id": "1", "source": "/t"}})

    assert (await pipeline.states("1"))["ghost", "email"] == ("skipped", "no_such_recipient")
    assert (await pipeline.states("1"))["carol", "email"] == WITHDRAWN


async def test_another_source_has_other_events(pipeline: FakePipeline) -> None:
    """An id is only unique within its source."""
    await pipeline.ingest(OVERBID)
    await pipeline.ingest(BY_ID | {"source": "/other"})
    assert set((await pipeline.states("1")).values()) == {("queued", "")}

    await pipeline.ingest(BY_ID | {"source": "/other", "data": {"id": "1", "source": "/t"}})
    assert set((await pipeline.states("1")).values()) == {WITHDRAWN}


def test_what_a_withdrawal_means() -> None:
    """An event by its key, or a supersede key of a type; its own time, or when it came."""
    assert withdrawal(data={"id": "1"}).event == event_key("/t", "1")
    assert withdrawal(data={"type": "overbid", "key": 7}).supersede == "overbid|7"
    assert withdrawal(data={"type": "overbid", "data": {"lot_id": "7", "more": 1}}).supersede == "overbid|7"
    assert withdrawal(data={"id": "1"}).time_ms == 1000
    assert withdrawal(data={"id": "1"}, time="1970-01-01T00:00:00Z").time_ms in (0, 1000)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ({}, "invalid_withdrawal"),
        ({"id": "1", "type": "overbid"}, "invalid_withdrawal"),
        ({"id": ""}, "invalid_withdrawal"),
        ({"id": 5}, "invalid_attribute"),
        ({"id": "1", "source": ""}, "invalid_withdrawal"),
        ({"type": "overbid"}, "invalid_withdrawal"),
        ({"type": "overbid", "key": "7", "data": {}}, "invalid_withdrawal"),
        ({"type": "overbid", "key": ""}, "invalid_withdrawal"),
        ({"type": "overbid", "data": {}}, "invalid_withdrawal"),
        ({"type": "overbid", "data": "7"}, "invalid_withdrawal"),
        ({"type": "winner", "data": {"lot_id": "7"}}, "invalid_withdrawal"),
        ({"type": "none", "key": "7"}, "unknown_type"),
        ([], "invalid_data"),
    ],
)
def test_bad_withdrawals_are_refused(data: Any, reason: str) -> None:
    """Each with the reason that its dead letter has."""
    with pytest.raises(InvalidEvent) as refused:
        withdrawal(data=data)

    assert refused.value.reason == reason


async def test_withdrawals_are_published_for_a_rebuild(pipeline: FakePipeline) -> None:
    """The withdrawal itself, and each event that it covers later; the upstream's topic may be gone by then."""
    await pipeline.ingest(BY_KEY)
    await pipeline.ingest(OVERBID)
    await pipeline.ingest(BY_ID)

    records = pipeline.topics["dispatch.withdrawals"]
    withdrawals = [WithdrawalRecord.from_bytes(record.value or b"") for record in records]
    until_ms, week_s, event = withdrawals[0].until_ms, 604_800, event_key("/t", "1")
    assert withdrawals[:2] == [
        WithdrawalRecord("", "overbid|7", until_ms, week_s),
        WithdrawalRecord(event, "", until_ms, week_s),
    ]
    assert (withdrawals[2].event, withdrawals[2].supersede) == (event, "")
    assert [record.key for record in records] == [b"overbid|7", event.encode(), event.encode()]
