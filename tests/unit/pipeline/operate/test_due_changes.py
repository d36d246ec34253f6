"""What waits is listed with its reason and time, and can be released, retimed and cancelled."""

from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from service.model.catalogue import AudienceRule, Lane
from service.model.channels import Channel
from service.model.delivery import Delivery
from service.model.event import Event
from service.model.holds.digest import DigestItem, digest_of
from service.model.ids import delivery_id, event_key
from service.model.ledger import NewEntry, State, Transition
from service.model.operation import OperationKind
from service.model.outcome import Outcome
from service.model.reasons import Reason
from service.model.topics import TopicNames
from service.pipeline.operate.audit_log import OperationLog
from service.pipeline.operate.due_changes import DueChanges
from service.pipeline.operate.due_list import DueFilter, DueList
from service.pipeline.operate.operations import OperationCancelled
from service.ports import EventHead, LimitedMail, MailAllowance
from tests.fakes.clock import FakeClock
from tests.fakes.digest_windows import FakeDigestWindows
from tests.fakes.due import FakeDueSet
from tests.fakes.ledger import FakeLedger
from tests.fakes.mail_limits import FakeMailLimits
from tests.fakes.publisher import FakePublisher

TOPICS, HOUR, DAY = TopicNames(""), 3_600_000, 86_400_000
NOW = FakeClock().now_ms()
LIMITED = MailAllowance(hour=1)


def delivery(n: int, recipient: str = "alice", type_: str = "overbid") -> Delivery:
    event = event_key("s", str(n))
    return Delivery(
        id=delivery_id(event, recipient, "email"), event=event, event_id=str(n), source="s", type=type_,
        channel=Channel.email, recipient=recipient, rule=AudienceRule.users, created_ms=NOW,
        received_ms=NOW + n, deadline_ms=NOW + 20 * DAY,
    )  # fmt: skip


class World:
    """The ports in memory, and what waits in them."""

    def __init__(self) -> None:
        self.clock, self.due, self.windows = FakeClock(), FakeDueSet(), FakeDigestWindows()
        self.limits, self.ledger, self.publisher = FakeMailLimits(), FakeLedger(), FakePublisher()
        self.list = DueList(self.due, self.windows, self.ledger, self.ledger)
        self.changes = DueChanges(
            self.list, self.due, self.windows, self.limits, ledger=self.ledger, publisher=self.publisher,
            topics=TOPICS, clock=self.clock,
        )  # fmt: skip
        self.log = OperationLog(
            self.publisher, TOPICS.audit, self.clock, operator="olga", kind=OperationKind.release, filters={}
        )

    async def enter(self, one: Delivery, state: State, reason: Reason, detail: str = "") -> None:
        head = EventHead(Event(one.event, one.event_id, one.source, one.type, NOW, NOW, {}), 3600)
        await self.ledger.open(
            [head],
            [NewEntry(one.event, one.id, one.recipient, "email", state, reason, NOW, detail)],
        )

    async def hold(self, one: Delivery, due_ms: int, reason: Reason = Reason.quiet_hours) -> None:
        await self.enter(one, State.held, reason)
        await self.due.add([one], [due_ms], [State.held], [reason])

    async def put_into_digest(self, items: Sequence[Delivery], due_ms: int) -> Delivery:
        """Hold items for a digest, as the email stage does; return the digest."""
        digest = digest_of(items[0], "bids", NOW)
        await self.windows.add([DigestItem(one, "bids|", digest, due_ms) for one in items])
        for one in items:
            await self.enter(one, State.held, Reason.digest, digest.id)
        await self.hold(digest, due_ms, Reason.digest)
        return digest

    async def step(self, one: Delivery) -> tuple[State, Reason]:
        entry = await self.ledger.entry(one.event, one.id)
        assert entry is not None
        return entry.state, entry.newest_step.reason

    def outcomes(self) -> list[tuple[str, State, Reason, int]]:
        published = [Outcome.from_bytes(one.value or b"") for one in self.publisher.records(TOPICS.outcomes)]
        return [(one.delivery, one.state, one.reason, one.next_ms) for one in published]

    async def retime(self, at_ms: int, **chosen: frozenset[str]) -> dict[str, int]:
        return dict(await self.changes.retime(DueFilter(**chosen), at_ms, self.log))

    async def cancel(self, **chosen: frozenset[str]) -> dict[str, int]:
        return dict(await self.changes.cancel(DueFilter(**chosen), self.log))


@pytest.fixture
def world() -> World:
    return World()


def one_of(*values: str) -> frozenset[str]:
    return frozenset(values)


async def test_what_waits_is_listed_with_its_reason_and_time(world: World) -> None:
    """In the order of times; a digest has its number of items, and what has ended is not listed."""
    await world.hold(delivery(1), NOW + 2)
    await world.due.add([delivery(2, type_="winner")], [NOW + 1])
    await world.enter(delivery(2, type_="winner"), State.deferred, Reason.mailbox_full)
    digest = await world.put_into_digest([delivery(3), delivery(4)], NOW + 5)
    await world.due.add([delivery(5)], [NOW])
    await world.enter(delivery(5), State.dead, Reason.render_failed)
    await world.due.add([delivery(6)], [NOW + 9])

    page = await world.list.page(DueFilter(), 100)
    assert [(row.delivery.id, row.state, row.reason, row.until_ms, row.items) for row in page.rows] == [
        (delivery(2).id, State.deferred, Reason.mailbox_full, NOW + 1, 0),
        (delivery(1).id, State.held, Reason.quiet_hours, NOW + 2, 0),
        (digest.id, State.held, Reason.digest, NOW + 5, 2),
        (delivery(6).id, None, Reason.none, NOW + 9, 0),
    ]
    assert page.next == ""


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        (DueFilter(), [*range(10)]),
        (DueFilter(recipients=one_of("bob")), [1, 3, 5, 7, 9]),
        (DueFilter(types=one_of("winner")), [0, 3, 6, 9]),
        (DueFilter(reasons=one_of("limit")), [0, 5]),
        (DueFilter(events=one_of("3", event_key("s", "4"), "77")), [3, 4]),
        (DueFilter(recipients=one_of("bob", "eve"), types=one_of("winner"), reasons=one_of("quiet_hours")), [3, 9]),
        (DueFilter(ids=one_of(delivery(2).id, delivery(77).id)), [2]),
    ],
)  # fmt: skip
async def test_the_list_can_be_filtered_and_read_in_pages(
    world: World, chosen: DueFilter, expected: list[int]
) -> None:
    """Pages of any size have the same as one page."""
    for n in range(10):
        one = delivery(n, ("alice", "bob")[n % 2], "overbid" if n % 3 else "winner")
        await world.hold(one, NOW + n // 2, Reason.quiet_hours if n % 5 else Reason.limit)

    for limit in (1, 2, 100):
        rows, cursor = [], ""
        while True:
            page = await world.list.page(chosen, limit, cursor)
            assert len(page.rows) <= limit
            rows += page.rows
            if not (cursor := page.next):
                break
        assert sorted(int(row.delivery.event_id) for row in rows) == expected
    with pytest.raises(ValueError, match="cursor"):
        await world.list.page(chosen, 1, "x")


async def test_items_of_digests_are_found_by_their_recipient(world: World) -> None:
    """They wait as long as their digest."""
    digest = await world.put_into_digest([delivery(3), delivery(4)], NOW + 5)
    rows = (await world.list.page(DueFilter(recipients=one_of("alice")), 10)).rows
    assert {(row.delivery.id, row.digest, row.until_ms, row.items) for row in rows} == {
        (delivery(3).id, digest.id, NOW + 5, 0),
        (delivery(4).id, digest.id, NOW + 5, 0),
        (digest.id, "", NOW + 5, 2),
    }
    assert len((await world.list.page(DueFilter(types=one_of("overbid"), events=one_of("4")), 10)).rows) == 1


async def test_a_survey_counts_what_a_change_would_affect(world: World) -> None:
    """Of chosen ids also what does not wait."""
    await world.hold(delivery(1), NOW + 2)
    digest = await world.put_into_digest([delivery(3), delivery(4)], NOW + 5)
    await world.enter(delivery(5), State.skipped, Reason.preference_off)
    survey = await world.changes.survey(DueFilter())
    assert (survey.total, survey.items) == (2, 2)
    assert survey.counts["held", "quiet_hours", "overbid"] == 1
    ids = one_of(*(delivery(n).id for n in (1, 3, 5, 6)), digest.id)
    survey = await world.changes.survey(DueFilter(ids=ids))
    assert (survey.total, dict(survey.others)) == (3, {"skipped": 1, "unknown": 1})


async def test_what_is_released_is_due_at_once(world: World) -> None:
    """With its time as an operator's, its ledger row held for it, and an outcome that says so."""
    await world.hold(delivery(1), NOW + HOUR)
    await world.hold(delivery(2, "bob"), NOW + HOUR)
    assert await world.retime(NOW, recipients=one_of("alice")) == {"retimed": 1}

    released = delivery(1).replace(retimed_ms=NOW)
    assert [(one.delivery, one.due_ms) for one in await world.due.take(NOW, 10)] == [(released, NOW)]
    assert await world.step(delivery(1)) == (State.held, Reason.retimed)
    assert world.outcomes() == [(delivery(1).id, State.held, Reason.retimed, NOW)]
    entry = await world.ledger.entry(delivery(1).event, delivery(1).id)
    assert entry is not None
    assert entry.newest_step.detail.startswith("retimed by olga, ")
    assert await world.retime(NOW, recipients=one_of("alice")) == {}


async def test_all_of_a_reason_are_retimed_once(world: World) -> None:
    """Also those that a page of the list meets again at their new time; a later time than a deadline is refused."""
    for n in range(500):
        await world.hold(delivery(n), NOW + n, Reason.limit if n % 2 else Reason.quiet_hours)
    assert await world.retime(NOW + HOUR, reasons=one_of("limit")) == {"retimed": 250}
    assert await world.retime(NOW + 30 * DAY, reasons=one_of("limit")) == {}
    assert await world.retime(NOW + 30 * DAY, reasons=one_of("retimed")) == {"would expire before": 250}
    assert await world.retime(NOW + 9 * DAY, ids=one_of(delivery(1).id)) == {"retimed": 1}
    assert (await world.due.times([delivery(1).id])) == [NOW + 5 * DAY]
    (row,) = (await world.list.page(DueFilter(ids=one_of(delivery(1).id)), 1)).rows
    assert row.until_ms == NOW + 9 * DAY


async def test_an_item_of_a_digest_is_released_alone(world: World) -> None:
    """The ledger keeps it out of the digest; its window still has the others."""
    digest = await world.put_into_digest([delivery(3), delivery(4)], NOW + HOUR)
    assert await world.retime(NOW, ids=one_of(delivery(3).id)) == {"retimed": 1}
    assert [one.delivery.event_id for one in await world.due.take(NOW, 10)] == ["3"]
    assert await world.step(delivery(3)) == (State.held, Reason.retimed)
    assert await world.step(delivery(4)) == await world.step(digest) == (State.held, Reason.digest)


@pytest.mark.parametrize("state", [State.sending, State.skipped, State.digested])
async def test_what_is_sent_or_has_ended_meanwhile_is_left_alone(world: World, state: State) -> None:
    """It is counted as such; what has ended is not put into the due set."""
    digest = await world.put_into_digest([delivery(3)], NOW + HOUR)
    one = delivery(3)
    rows = [row async for chunk, _ in world.list.chunks(DueFilter(ids=one_of(one.id))) for row in chunk]
    await world.ledger.transition([Transition(one.event, one.id, state, Reason.none, NOW, 1)])
    counts = await world.changes._retime(rows, NOW, "")
    assert dict(counts) == {f"{state} by now": 1}
    assert (await world.step(one))[0] is state
    assert await world.due.times([one.id, digest.id]) == [NOW if state is State.sending else None, NOW + HOUR]
    assert world.outcomes() == []


async def test_what_is_cancelled_ends(world: World) -> None:
    """It leaves the due set and the limits' counts; what is being sent is counted as such."""
    one, two = delivery(1), delivery(2)
    await world.hold(one, NOW + HOUR, Reason.limit)
    await world.limits.take(
        [LimitedMail("alice", each.id, "overbid", Lane.normal, LIMITED) for each in (two, one)], NOW
    )
    await world.enter(two, State.queued, Reason.none)
    await world.ledger.transition(
        [Transition(two.event, two.id, State.sending, Reason.none, NOW, 1, owner="w")]
    )
    assert await world.cancel(ids=one_of(one.id, two.id, delivery(9).id)) == {
        "cancelled": 1,
        "sending by now": 1,
        "unknown by now": 1,
    }
    assert await world.step(one) == (State.skipped, Reason.by_operator)
    assert await world.due.count() == 0
    assert world.outcomes() == [(one.id, State.skipped, Reason.by_operator, 0)]
    assert not world.limits.scopes["alice", ""].waiting
    assert await world.cancel(ids=one_of(one.id)) == {"skipped by now": 1}


async def test_a_digest_is_cancelled_with_its_items(world: World) -> None:
    """But not those that are sent alone, or are in another digest by the ledger."""
    digest = await world.put_into_digest([delivery(n) for n in range(3, 8)], NOW + HOUR)
    await world.retime(NOW, ids=one_of(delivery(3).id))
    moved = delivery(4)
    await world.ledger.transition(
        [Transition(moved.event, moved.id, State.digested, Reason.digest, NOW, detail=delivery(99).id)]
    )
    assert await world.cancel(ids=one_of(digest.id)) == {"cancelled": 1, "items of cancelled digests": 3}
    assert [(await world.step(delivery(n)))[0].value for n in range(3, 8)] == [
        "held",
        "digested",
        *["skipped"] * 3,
    ]
    assert await world.step(digest) == (State.skipped, Reason.by_operator)
    assert world.windows.windows == {}
    assert await world.due.times([digest.id, delivery(3).id]) == [None, NOW]


@dataclass
class CutOff:
    """Raises at the first call."""

    async def __call__(self, *_: object) -> None:
        raise OperationCancelled


async def test_a_cancellation_that_was_cut_off_is_completed_by_the_next(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ledger has ended it, and nothing else is done: it is still found. At the digest, then at its items."""
    digest = await world.put_into_digest([delivery(3)], NOW + HOUR)
    publish = world.publisher.publish
    for failing in (1, 2):
        calls = iter((publish,) * (failing - 1))
        with monkeypatch.context() as patched:
            patched.setattr(world.publisher, "publish", lambda sent, left=calls: next(left, CutOff())(sent))
            with pytest.raises(OperationCancelled):
                await world.cancel(types=one_of("digest"))
        assert (await world.step(digest))[0] is State.skipped
    assert (await world.step(delivery(3)))[0] is State.skipped
    assert await world.cancel(types=one_of("digest")) == {"cancelled": 1, "items of cancelled digests": 1}
    assert {one[0] for one in world.outcomes()} == {digest.id, delivery(3).id}
    assert await world.due.count() == 0


def test_a_filter_names_no_person_in_the_log() -> None:
    """Recipients are pseudonyms there; what is no id is refused."""
    logged = DueFilter(recipients=one_of("alice"), reasons=one_of("limit")).document()
    assert logged["reasons"] == ["limit"]
    assert "alice" not in str(logged)
    with pytest.raises(ValueError, match="not the id"):
        DueFilter(ids=one_of("x"))


async def test_what_the_ledger_has_lost_is_not_lost_by_a_change(world: World) -> None:
    """The stage enters it again when it is dispatched, so it stays in the due set."""
    await world.due.add([delivery(1)], [NOW + HOUR])
    assert await world.retime(NOW, types=one_of("overbid")) == {"unknown by now": 1}
    assert await world.cancel(types=one_of("overbid")) == {"unknown by now": 1}
    assert await world.due.times([delivery(1).id]) == [NOW]


async def test_one_that_ends_otherwise_meanwhile_is_not_cancelled(world: World) -> None:
    """Its reason stays, and no outcome contradicts it."""
    one = delivery(1)
    await world.hold(one, NOW + HOUR)
    rows = [row async for chunk, _ in world.list.chunks(DueFilter()) for row in chunk]
    await world.ledger.transition([Transition(one.event, one.id, State.skipped, Reason.preference_off, NOW)])
    assert dict(await world.changes._cancel(rows, "")) == {"skipped by now": 1}
    assert world.outcomes() == []
