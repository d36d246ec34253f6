"""Rebuild on ports in memory, from history that is repeated, late or too old."""

import asyncio
import json
import random
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.model.blocks.suppression import SoftBounceScore
from service.model.catalogue import AudienceRule
from service.model.channels import Channel
from service.model.delivery import Delivery, json_document
from service.model.ids import delivery_id, event_key
from service.model.ledger import State
from service.model.outcome import Outcome, ReadMark
from service.model.reasons import Reason
from service.model.record import Record
from service.model.topics import TopicNames
from service.model.withdrawal import WithdrawalRecord
from service.pipeline.email.allowances import NO_LIMIT, Allowances
from service.pipeline.rebuild.rebuilder import Rebuilder, RebuildPorts
from service.pipeline.tables.writer import TableStores
from service.ports import InboxQuery, ReadFilter, SupersedableEvent
from tests.fakes.clock import FakeClock
from tests.fakes.credentials import FakeAccounts, FakeApiKeys
from tests.fakes.digest_windows import FakeDigestWindows
from tests.fakes.due import FakeDueSet
from tests.fakes.inbox import FakeInbox
from tests.fakes.ledger import FakeLedger
from tests.fakes.mail_limits import FakeMailLimits
from tests.fakes.pending_retries import FakePendingRetries
from tests.fakes.renderer import FakeRenderer
from tests.fakes.soft_bounces import FakeSoftBounceScores
from tests.fakes.supersede_index import FakeSupersedeIndex
from tests.fakes.tables import FakeTables
from tests.fakes.withdrawals import FakeWithdrawals
from tests.support.catalogues import small_catalogue

NOW = 1_700_000_000_000
DAY = 86_400_000
TOPICS = TopicNames()
EVENT, UNSEEN, LATE = (event_key("/s", name) for name in ("1", "unseen", "late"))


class Rig:
    """A rebuild, and records of history for it."""

    def __init__(self) -> None:
        self.clock, self.tables = FakeClock(NOW), FakeTables()
        self.inbox, self.ledger = FakeInbox(self.clock), FakeLedger()
        self.windows = FakeDigestWindows()
        self.due, self.notes, self.supersedes = FakeDueSet(), FakePendingRetries(), FakeSupersedeIndex()
        self.withdrawals, self.scores = FakeWithdrawals(), FakeSoftBounceScores()
        ports = RebuildPorts(
            stores=TableStores(self.tables, self.tables, FakeAccounts(), FakeApiKeys(), self.tables),
            inbox=self.inbox,
            ledger=self.ledger,
            restore=self.ledger,
            supersedes=self.supersedes,
            withdrawals=self.withdrawals,
            scores=self.scores,
            due=self.due,
            windows=self.windows,
            allowances=Allowances(small_catalogue(), FakeMailLimits(), NO_LIMIT),
            notes=self.notes,
            renderer=FakeRenderer(),
            clock=self.clock,
        )
        self.committed: dict[tuple[str, int], int] = {}
        self.rebuild = Rebuilder(small_catalogue(), ports, TOPICS, self.committed)

    async def run(self, records: Sequence[Record], batch: int = 500) -> None:
        """Run all phases over these records, in this order, a batch at a time."""
        for phase in self.rebuild.phases():
            own = [one for one in records if one.topic in phase.topics]
            for start in range(0, len(own), batch):
                await phase.apply(own[start : start + batch])

    async def states(self, channel: Channel) -> list[tuple[State, Reason, int]]:
        """Alice's delivery, newest step first, without claims."""
        entry = await self.ledger.entry(EVENT, delivery_id(EVENT, "alice", channel))
        steps = entry.steps if entry else ()
        return [(s.state, s.reason, s.attempt) for s in steps if s.state is not State.sending]


@pytest.fixture
def rig() -> Rig:
    return Rig()


def record(topic: str, value: bytes, at: int = NOW) -> Record:
    return Record(topic, 0, 0, at, b"alice", value)


def delivery(channel: Channel, at: int = NOW - 1000) -> Delivery:
    return Delivery(
        id=delivery_id(EVENT, "alice", channel), event=EVENT, event_id="1", source="/s", type="overbid",
        channel=channel, recipient="alice", rule=AudienceRule.users, created_ms=at, received_ms=at,
        deadline_ms=NOW + DAY, address="alice@example.com", document=json_document({"lot_id": "9"}),
        supersede="overbid|9",
    )  # fmt: skip


def dispatched(channel: Channel, at: int = NOW - 1000) -> Record:
    topic = TOPICS.inbox if channel is Channel.inbox else "dispatch.email.normal"
    return record(topic, delivery(channel, at).to_bytes(), at)


def outcome(channel: Channel, state: State, at: int = NOW, **fields: Any) -> Record:
    value = Outcome(
        delivery=delivery_id(EVENT, "alice", channel), event=EVENT, type="overbid", recipient="alice",
        channel=channel.value, state=state, at_ms=at, event_id="1", source="/s", **fields,
    )  # fmt: skip
    return record(TOPICS.outcomes, value.to_bytes(), at)


async def test_the_history_of_an_email_is_restored(rig: Rig) -> None:
    """Queued, deferred and sent, with the claims in between that no outcome records; the event has its times."""
    history = [
        dispatched(Channel.email),
        outcome(Channel.email, State.queued, detail="on by default"),
        outcome(Channel.email, State.deferred, attempt=1, reason=Reason.greylisted, next_ms=NOW + 60),
        outcome(Channel.email, State.sent, attempt=2),
    ]
    await rig.run(history)
    once = await rig.states(Channel.email)
    assert once == [
        (State.sent, Reason.none, 2),
        (State.deferred, Reason.greylisted, 1),
        (State.queued, Reason.none, 0),
    ]
    head = await rig.ledger.head(EVENT)
    assert head is not None
    assert (head["type"], head["id"], head["time_ms"]) == ("overbid", "1", NOW - 1000)
    assert await rig.supersedes.newest(["overbid|9|alice"]) == [EVENT]
    assert await rig.due.count() == 0


@pytest.mark.parametrize("apart", [True, False])
async def test_late_and_repeated_outcomes_change_nothing(rig: Rig, apart: bool) -> None:
    """`queued` after `sent`, from a resolve that read its record twice; `sent` again."""
    history = [
        dispatched(Channel.email),
        outcome(Channel.email, State.queued),
        outcome(Channel.email, State.sent, attempt=1),
        outcome(Channel.email, State.queued),
        dispatched(Channel.email),
        outcome(Channel.email, State.sent, attempt=1),
    ]
    await rig.run(history, 1 if apart else 500)
    await rig.run(history)
    assert await rig.states(Channel.email) == [(State.sent, Reason.none, 1), (State.queued, Reason.none, 0)]


async def test_a_replay_is_restored(rig: Rig) -> None:
    """`queued` after a final state counts where its reason is `replayed`."""
    await rig.run(
        [
            outcome(Channel.email, State.queued),
            outcome(Channel.email, State.bounced, attempt=1, reason=Reason.mailbox_full),
            outcome(Channel.email, State.queued, reason=Reason.replayed),
        ]
    )
    assert (await rig.states(Channel.email))[0] == (State.queued, Reason.replayed, 0)


async def test_a_replay_of_a_sent_email_is_restored(rig: Rig) -> None:
    """An operator may send a sent email again; a history that is read twice gives the same state."""
    history = [
        outcome(Channel.email, State.queued),
        outcome(Channel.email, State.sent, attempt=1),
        outcome(Channel.email, State.queued, NOW + 5, reason=Reason.replayed, attempt=1),
        outcome(Channel.email, State.sent, NOW + 9, attempt=2),
    ]
    await rig.run(history)
    once = await rig.states(Channel.email)
    assert [(state, attempt) for state, _, attempt in once] == [
        (State.sent, 2),
        (State.queued, 1),
        (State.sent, 1),
        (State.queued, 0),
    ]
    await rig.run(history)
    assert (await rig.states(Channel.email))[0] == (State.sent, Reason.none, 2)


async def test_what_is_past_retention_is_not_restored_to_the_ledger(rig: Rig) -> None:
    """Older than the type's retention: neither entry nor transition, while the inbox keeps its entry."""
    old = NOW - 8 * DAY
    await rig.run(
        [
            dispatched(Channel.inbox, old),
            outcome(Channel.inbox, State.queued, old),
            outcome(Channel.inbox, State.delivered, old),
        ]
    )
    assert await rig.states(Channel.inbox) == []
    assert await rig.inbox.counts("alice") == {"overbid": 1}


async def test_only_deferred_deliveries_are_due(rig: Rig) -> None:
    """A deferred email is due at its time, with its attempts counted; repeated, it is there once."""
    history = [
        dispatched(Channel.email),
        outcome(Channel.email, State.queued),
        outcome(Channel.email, State.deferred, attempt=3, next_ms=NOW + 60),
    ]
    await rig.run(history)
    await rig.run(history)
    assert await rig.due.oldest_ms() == NOW + 60
    (due,) = await rig.due.take(NOW + 61, 10)
    assert (due.delivery.attempt, due.delivery.address) == (3, "alice@example.com")


async def test_a_lost_delivery_is_due_and_a_lost_entry_is_delivered(rig: Rig) -> None:
    """No outcome closed them, and their stages have finished their records: nothing else would send them."""
    history = [dispatched(Channel.email), dispatched(Channel.inbox), outcome(Channel.email, State.queued)]
    await rig.run(history)
    assert (await rig.due.count(), await rig.inbox.counts("alice")) == (0, {}), "their stages read them again"

    rig.committed.update({("dispatch.email.normal", 0): 1, (TOPICS.inbox, 0): 1})
    await rig.run(history)
    (due,) = await rig.due.take(NOW, 10)
    assert due.delivery == delivery(Channel.email)
    assert await rig.inbox.counts("alice") == {"overbid": 1}
    assert (await rig.states(Channel.inbox))[0] == (State.delivered, Reason.state_lost, 0)


async def test_a_replay_is_sent_by_its_own_record(rig: Rig) -> None:
    """The finished record of the first attempt has an earlier deadline: it does not stand for the replay."""
    await rig.run(
        [
            dispatched(Channel.email),
            outcome(Channel.email, State.queued, NOW - 900),
            outcome(Channel.email, State.expired, NOW - 800),
            outcome(Channel.email, State.queued, NOW + 5000, reason=Reason.replayed),
        ]
    )
    rig.committed[("dispatch.email.normal", 0)] = 1
    await rig.rebuild.due([dispatched(Channel.email)])
    assert await rig.due.count() == 0
    await rig.rebuild.due([dispatched(Channel.email, NOW + 5001)])
    assert await rig.due.count() == 1


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32), batch=st.sampled_from([1, 2, 3, 500]))
def test_the_ledger_is_the_same_in_every_order(seed: int, batch: int) -> None:
    """Deliveries of two channels with replays, retries, bounces, withdrawals and read marks; records in any order.

    Ledger, inbox and due set after a rebuild equal those of the order in which things happened, row by row.
    """
    rng = random.Random(seed)
    events = _events(rng)
    history = [*events, *rng.sample(events, rng.randint(0, len(events) // 2))]

    async def run(records: Sequence[Record]) -> tuple[Any, ...]:
        rig = Rig()
        await rig.run(records, batch)
        entries = [entry async for entry in rig.ledger.entries(EVENT)]
        due = await rig.due.take(NOW + DAY, 100)
        return (
            sorted((e.channel, e.recipient, e.rule, e.matched, e.steps) for e in entries),
            (await rig.inbox.page(InboxQuery("alice", ReadFilter.all))).items,
            [one.delivery for one in due],
        )

    async def check() -> None:
        straight = await run(history)
        mixed = await run(rng.sample(history, len(history)))
        assert mixed == straight
        ended = {e[0]: e[4][0].state for e in straight[0]}
        assert ended == {channel: State(json.loads(last[channel].value or b"")["state"]) for channel in last}

    last = {json.loads(r.value or b"")["channel"]: r for r in events if b'"state"' in (r.value or b"")}
    asyncio.run(check())


def _events(rng: random.Random) -> list[Record]:
    """Return the records of one event's deliveries, as the stages publish them."""
    email, inbox, at = Channel.email, Channel.inbox, NOW - 5000
    records = [dispatched(email), dispatched(inbox)]
    records += [outcome(channel, State.queued, at, detail="on") for channel in (email, inbox)]
    attempt, state = 0, State.queued
    for _ in range(rng.randint(0, 5)):
        at += rng.randint(1, 90)
        if state in {State.queued, State.deferred}:
            attempt += 1
            state = rng.choice([State.sent, State.deferred, State.bounced])
            records.append(
                outcome(email, state, at, attempt=attempt, next_ms=at + 99 if state is State.deferred else 0)
            )
        elif state is State.sent and rng.random() < 0.5:
            state = State.bounced
            records.append(outcome(email, state, at, reason=Reason.bounce_received))
        else:
            if state is State.bounced:
                # A report names no attempt, and a replay continues from the latest outcome.
                attempt = json.loads(records[-1].value or b"").get("attempt", 0)
            state = State.queued
            records.append(outcome(email, state, at, attempt=attempt, reason=Reason.replayed))
    if rng.random() < 0.8:
        records.append(outcome(inbox, State.delivered, at + 1))
        ident = delivery_id(EVENT, "alice", inbox)
        if rng.random() < 0.5:
            records.append(record(TOPICS.outcomes, ReadMark("alice", (ident,), at + 5).to_bytes()))
        if rng.random() < 0.3:
            records.append(outcome(inbox, State.withdrawn, at + 9, reason=Reason.withdrawn_by_source))
    return records


async def test_inboxes_have_delivered_entries_and_their_read_marks(rig: Rig) -> None:
    """Read entries are read, with their time; withdrawn and expired ones are in no inbox."""
    ident = delivery_id(EVENT, "alice", Channel.inbox)
    history = [
        dispatched(Channel.inbox),
        outcome(Channel.inbox, State.queued),
        outcome(Channel.inbox, State.delivered),
    ]
    await rig.run(history)
    assert await rig.inbox.counts("alice") == {"overbid": 1}

    mark = ReadMark("alice", (ident, "nobody's"), NOW + 5)
    await rig.run([record(TOPICS.outcomes, mark.to_bytes())])
    await rig.run(history)
    assert await rig.inbox.counts("alice") == {}

    await rig.run([outcome(Channel.inbox, State.withdrawn)])
    assert await rig.inbox.mark_read("alice", [ident], 1) == [None]


def withdrawal(value: WithdrawalRecord, at: int = NOW - 500) -> Record:
    return record(TOPICS.withdrawals, value.to_bytes(), at)


async def test_what_was_withdrawn_stays_withdrawn(rig: Rig) -> None:
    """By its key or by its supersede key, known or not; an email that was sent before stays sent."""
    await rig.run(
        [
            dispatched(Channel.email),
            outcome(Channel.email, State.queued),
            outcome(Channel.email, State.sent, attempt=1),
        ]
    )
    records = [WithdrawalRecord(UNSEEN, "", NOW - 5, 60), WithdrawalRecord("", "overbid|9", NOW - 7, 60)]
    await rig.rebuild.withdrawals([withdrawal(value) for value in records])

    assert (await rig.states(Channel.email))[0][0] is State.sent
    heads = [await rig.ledger.head(event) for event in (UNSEEN, EVENT)]
    assert [head and head["withdrawn_ms"] for head in heads] == [NOW - 5, NOW - 7]
    assert list(await rig.withdrawals.note([SupersedableEvent("overbid|9", LATE, NOW - 9, 60)])) == [NOW - 7]
    assert set(await rig.withdrawals.withdraw("overbid|9", NOW, 60)) == {EVENT, LATE}


async def test_an_expired_withdrawal_is_not_restored(rig: Rig) -> None:
    """The ledger no longer holds an event of that age."""
    await rig.rebuild.withdrawals([withdrawal(WithdrawalRecord(UNSEEN, "", 1, 60), NOW - 61_000)])
    assert await rig.ledger.head(UNSEEN) is None


async def test_the_last_record_of_a_score_counts(rig: Rig) -> None:
    """Also where it is a tombstone, written when an operator cleared the score."""
    scores = {"a": SoftBounceScore(1.0, NOW - 9), "b": SoftBounceScore(2.5, NOW - 5)}
    records = [record(TOPICS.soft_bounces, one.to_bytes()) for one in scores.values()]
    keyed = [one._replace(key=key.encode()) for one, key in zip(records, "ab", strict=True)]
    await rig.rebuild.scores([*keyed, keyed[1]._replace(value=SoftBounceScore(3.25, NOW).to_bytes())])
    assert rig.scores.scores == scores | {"b": SoftBounceScore(3.25, NOW)}

    await rig.rebuild.scores([keyed[1], keyed[0]._replace(value=None)])
    assert rig.scores.scores == {"b": SoftBounceScore(3.25, NOW)}


@pytest.mark.parametrize("batch", [1, 500])
@pytest.mark.parametrize(
    ("times", "last"), [([-9, 0, 5], 2), ([-9, -5, 0], 2), ([0, 5], 1), ([0], 0), ([-9, 0], 1)]
)
async def test_a_row_of_a_clock_that_is_years_ahead_has_its_place_in_the_log(
    rig: Rig, times: list[int], last: int, batch: int
) -> None:
    """It is newer than the rows before it, and older than those that came after it. Its time is 0 in these cases."""
    await rig.run(
        [
            record("tables.recipients", b'{"id":"alice","name":"%d"}' % n, NOW + time if time else 10 * NOW)
            for n, time in enumerate(times)
        ],
        batch,
    )
    assert rig.tables.recipients["alice"].name == str(last)


async def test_invalid_records_are_counted(rig: Rig) -> None:
    """Counted by topic; the rebuild continues."""
    await rig.run(
        [
            record(TOPICS.outcomes, b"{}"),
            record(TOPICS.inbox, b"x"),
            record(TOPICS.outcomes, b"[1]"),
            dispatched(Channel.inbox),
            outcome(Channel.inbox, State.delivered),
        ]
    )
    await rig.rebuild.tables([record(TOPICS.table("recipients"), b'{"id": "bob"}')])
    await rig.rebuild.withdrawals([record(TOPICS.withdrawals, b'{"event": 1}')])
    await rig.rebuild.scores([record(TOPICS.soft_bounces, b'{"score": "1"}')])
    assert rig.rebuild.refused == {
        TOPICS.outcomes: 2,
        TOPICS.inbox: 1,
        TOPICS.table("recipients"): 1,
        TOPICS.withdrawals: 1,
        TOPICS.soft_bounces: 1,
    }
    assert await rig.inbox.counts("alice") == {"overbid": 1}
