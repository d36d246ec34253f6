"""Mail that waits: for its time, for the end of quiet hours, for room within a limit, for an unread notification."""

import pytest

from service.model.catalogue import Catalogue
from service.model.delivery import Delivery
from service.model.ids import delivery_id, event_key
from service.model.mail import SendResult, SendStatus
from service.model.reasons import Reason
from service.model.recipient import Choice
from service.ports import MailAllowance
from tests.support.held_pipeline import DAY, HOUR, MINUTE, NOON, HeldPipeline


@pytest.fixture
async def rig() -> HeldPipeline:
    rig = HeldPipeline()
    await rig.recipient()
    return rig


async def test_an_event_is_delivered_at_its_time_on_every_channel(rig: HeldPipeline) -> None:
    """`deliverat` holds mail and inbox entry."""
    await rig.notify("plain", deliverat="2026-11-30T13:00:00Z")

    assert await rig.state("plain") == ("held", "scheduled")
    assert await rig.state("plain", channel="inbox") == ("held", "scheduled")
    await rig.at(NOON + HOUR - 1)
    assert rig.mails() == []
    await rig.at(NOON + HOUR)
    assert rig.mails() == ["plain"]
    assert await rig.state("plain", channel="inbox") == ("delivered", "")


async def test_a_deadline_before_the_time_ends_it_at_once(rig: HeldPipeline) -> None:
    """Nothing waits for a time that comes too late."""
    await rig.notify("plain", deliverat="2026-11-30T13:00:00Z", expires="2026-11-30T12:30:00Z")

    assert await rig.state("plain") == ("expired", "past_deadline")


async def test_the_time_to_live_counts_from_the_time_of_delivery(rig: HeldPipeline) -> None:
    """An event for next week does not expire tomorrow; it passes through Kafka again on the way."""
    await rig.notify("plain", deliverat="2026-12-12T12:00:00Z")
    for day in range(1, 12):
        await rig.at(NOON + day * DAY)
        assert await rig.state("plain") == ("held", "scheduled")
    await rig.at(NOON + 12 * DAY)

    assert rig.mails() == ["plain"]


@pytest.mark.parametrize(
    ("type_name", "sent_ms"), [("later", NOON + HOUR // 2), ("office", NOON + 20 * HOUR)]
)
async def test_a_type_has_a_schedule_of_its_own(rig: HeldPipeline, type_name: str, sent_ms: int) -> None:
    """After a delay, or at the next local time in the recipient's zone."""
    await rig.recipient(timezone="Europe/Vienna")
    await rig.notify(type_name)
    await rig.at(sent_ms - 1)
    assert rig.mails() == []
    await rig.at(sent_ms)

    assert rig.mails() == [type_name]


async def test_quiet_hours_hold_mail_and_no_inbox_entry(rig: HeldPipeline) -> None:
    """Held mail goes at the end of the window."""
    await rig.recipient(timezone="Europe/Vienna", quiet_hours=[{"start": "12:30", "end": "14:00"}])
    await rig.notify("plain")

    assert await rig.state("plain") == ("held", "quiet_hours")
    assert await rig.state("plain", channel="inbox") == ("delivered", "")
    await rig.at(NOON + HOUR)
    assert rig.mails() == ["plain"]


@pytest.mark.parametrize("type_name", ["urgent", "must"])
async def test_urgent_and_mandatory_mail_passes_quiet_hours(rig: HeldPipeline, type_name: str) -> None:
    """The lane `high` and mandatory types are exempt."""
    await rig.recipient(quiet_hours=[{"start": "11:00", "end": "14:00"}])
    await rig.notify(type_name)

    assert rig.mails() == [type_name]


async def test_other_quiet_hours_count_as_soon_as_the_delivery_is_hastened(rig: HeldPipeline) -> None:
    """What is held is decided again."""
    await rig.recipient(quiet_hours=[{"start": "11:00", "end": "14:00"}])
    await rig.notify("plain")
    await rig.recipient(quiet_hours=[{"start": "11:00", "end": "13:00"}])
    held = await rig.due.held_of("alice")
    await rig.due.hasten(held, rig.clock.now_ms())
    await rig.work()
    assert await rig.state("plain") == ("held", "quiet_hours")
    await rig.at(NOON + HOUR)

    assert rig.mails() == ["plain"]


async def test_a_limit_holds_what_is_over_it_and_loses_nothing(rig: HeldPipeline) -> None:
    """Two an hour: the third waits for room."""
    for number in range(5):
        await rig.notify("capped", number)

    assert rig.mails() == ["capped"] * 2
    assert await rig.state("capped", 2) == ("held", "limit")
    for hour in range(1, 5):
        await rig.at(NOON + hour * (HOUR + MINUTE))
    assert rig.mails() == ["capped"] * 5


async def test_a_type_may_skip_what_is_over_its_limit(rig: HeldPipeline) -> None:
    """The ledger says so."""
    await rig.notify("dropped", 1)
    await rig.notify("dropped", 2)

    assert await rig.state("dropped", 2) == ("skipped", "limit")


async def test_mail_of_all_types_counts_and_mandatory_mail_passes(rig: HeldPipeline) -> None:
    """One an hour of all types together."""
    rig.allowance = MailAllowance(hour=1)
    rig.build("worker-2")
    await rig.notify("plain")
    await rig.notify("urgent")
    await rig.notify("must")

    assert rig.mails() == ["plain", "must"]
    assert await rig.state("urgent") == ("held", "limit")


async def test_mail_follows_only_if_the_notification_is_unread(rig: HeldPipeline) -> None:
    """Inbox first; reading it ends the mail."""
    await rig.notify("unread_first", 1)
    await rig.notify("unread_first", 2)
    assert await rig.state("unread_first") == ("held", "inbox_first")
    await rig.read("unread_first")
    await rig.at(NOON + 15 * MINUTE)

    assert rig.mails() == ["unread_first"]


async def test_reminders_stop_when_the_notification_is_read(rig: HeldPipeline) -> None:
    """Twice at most, one hour after another."""
    await rig.notify("nagging")
    assert rig.mails() == ["nagging"]
    await rig.at(NOON + HOUR)
    assert rig.mails() == ["nagging"] * 2
    await rig.read("nagging")
    await rig.at(NOON + 2 * HOUR)
    assert rig.mails() == ["nagging"] * 2


async def test_reminders_stop_when_the_event_is_withdrawn(rig: HeldPipeline) -> None:
    """None is left in the due set."""
    await rig.notify("nagging")
    await rig.ingest({"id": "w", "type": "withdraw", "data": {"id": "nagging-1"}})
    await rig.at(NOON + 3 * HOUR)

    assert rig.mails() == ["nagging"]
    assert await rig.due.count() == 0


async def test_a_withdrawn_event_leaves_the_due_set_on_every_channel(rig: HeldPipeline) -> None:
    """Held entries of inboxes, too."""
    await rig.notify("plain", deliverat="2026-11-30T13:00:00Z")
    await rig.ingest({"id": "w", "type": "withdraw", "data": {"id": "plain-1"}})

    assert await rig.due.count() == 0
    await rig.at(NOON + HOUR)
    assert rig.mails() == []


async def test_items_go_together_at_the_time_of_the_digest(rig: HeldPipeline) -> None:
    """Hourly: on the hour, in one message, and the ledger says in which (ADR 16)."""
    await rig.recipient(preferences={"news:email": Choice(on=True, frequency="hourly")})
    rig.clock.now = NOON + 10 * MINUTE
    for number in range(3):
        await rig.notify("news", number)
    assert await rig.state("news", 0) == ("held", "digest")
    assert await rig.due.count() == 1
    await rig.at(NOON + HOUR)

    assert rig.mails() == ["digest"]
    assert [await rig.state("news", n) for n in range(3)] == [("digested", "")] * 3
    key = event_key("/t", "news-0")
    entry = await rig.ledger.entry(key, delivery_id(key, "alice", "email"))
    assert entry is not None
    assert entry.newest_step.detail == rig.transport.accepted[0].delivery_id
    assert not rig.windows.windows


async def test_what_quiet_hours_held_comes_as_one_digest(rig: HeldPipeline) -> None:
    """Where the type allows it; each type without a digest goes alone."""
    await rig.recipient(quiet_hours=[{"start": "11:00", "end": "13:00"}])
    await rig.notify("news", 1)
    await rig.notify("news", 2)
    await rig.notify("plain")
    await rig.at(NOON + HOUR)

    assert sorted(rig.mails()) == ["digest", "plain"]


async def test_mail_waits_a_while_for_more(rig: HeldPipeline) -> None:
    """`wait`: so many seconds after the first item."""
    await rig.notify("batched", 1)
    await rig.at(NOON + 5 * MINUTE)
    await rig.notify("batched", 2)
    await rig.at(NOON + 10 * MINUTE)

    assert rig.mails() == ["digest"]
    assert await rig.state("batched", 2) == ("digested", "")


async def test_items_that_have_ended_are_left_out(rig: HeldPipeline) -> None:
    """Withdrawn, read, and switched off; the rest is sent."""
    await rig.recipient(preferences={"news:email": Choice(on=True, frequency="hourly")})
    for number in range(3):
        await rig.notify("news", number)
    await rig.ingest({"id": "w", "type": "withdraw", "data": {"id": "news-0"}})
    await rig.read("news")
    await rig.at(NOON + HOUR)

    states = [(await rig.state("news", n))[0] for n in range(3)]
    assert states == ["withdrawn", "skipped", "digested"]
    (mail,) = rig.transport.accepted
    assert mail.content.count(b"\r\n") == 4


async def test_an_empty_digest_is_not_sent(rig: HeldPipeline) -> None:
    """All items have ended before."""
    await rig.recipient(preferences={"news:email": Choice(on=True, frequency="hourly")})
    await rig.notify("news")
    await rig.recipient(preferences={"news:email": Choice(on=False)})
    await rig.at(NOON + HOUR)

    assert rig.mails() == []
    assert await rig.state("news") == ("skipped", "preference_off")
    assert not rig.windows.windows


async def test_an_item_that_cannot_be_rendered_does_not_take_the_digest_with_it(rig: HeldPipeline) -> None:
    """It ends as dead."""
    await rig.recipient(preferences={"news:email": Choice(on=True, frequency="hourly")})
    await rig.notify("news", 1, data={"unrenderable": 1})
    await rig.notify("news", 2)
    await rig.at(NOON + HOUR)

    assert rig.mails() == ["digest"]
    assert await rig.state("news", 1) == ("dead", "render_failed")
    assert await rig.state("news", 2) == ("digested", "")


async def test_a_deferred_digest_keeps_its_items_and_takes_no_others(rig: HeldPipeline) -> None:
    """The next items are in the next digest; an item withdrawn meanwhile is left out of the next attempt."""
    await rig.recipient(preferences={"news:email": Choice(on=True, frequency="hourly")})
    await rig.notify("news", 1)
    await rig.notify("news", 2)
    rig.transport.fixed = SendResult(SendStatus.deferred, Reason.temporary)
    await rig.at(NOON + HOUR)
    rig.transport.fixed = None
    assert await rig.state("news", 1) == ("digested", "")
    await rig.notify("news", 3)
    await rig.ingest({"id": "w", "type": "withdraw", "data": {"id": "news-2"}})
    await rig.at(NOON + HOUR + 10 * MINUTE)

    assert rig.mails() == ["digest"]
    assert [(await rig.state("news", n))[0] for n in (1, 2, 3)] == ["digested", "withdrawn", "held"]
    await rig.at(NOON + 2 * HOUR)
    assert rig.mails() == ["digest"] * 2


async def test_held_mail_has_the_date_of_its_release(rig: HeldPipeline) -> None:
    """A further attempt keeps it: each attempt has the same bytes."""
    await rig.notify("plain", deliverat="2026-11-30T13:00:00Z")
    rig.transport.fixed = SendResult(SendStatus.deferred, Reason.temporary)
    await rig.at(NOON + HOUR)
    rig.transport.fixed = None
    await rig.at(NOON + HOUR + 10 * MINUTE)
    dispatched = [Delivery.from_bytes(record.value) for record in rig.records("dispatch.email.normal")]

    assert [one.dated_ms - NOON for one in dispatched] == [0, HOUR, HOUR]


async def test_an_item_that_was_sent_stays_so_when_the_record_is_read_again(rig: HeldPipeline) -> None:
    """The worker died after the relay had the digest, and an item was read in the inbox before the next came."""
    await rig.recipient(preferences={"news:email": Choice(on=True, frequency="hourly")})
    await rig.notify("news", 1)
    await rig.notify("news", 2)
    kept = rig.windows.windows.copy()
    await rig.at(NOON + HOUR)
    rig.windows.windows.update(kept)
    await rig.read("news", 1)
    rig.topics["dispatch.outcomes"].clear()
    await rig.run(rig.deliver_email, rig.records("dispatch.email.normal")[-1:])

    assert rig.mails() == ["digest"]
    assert [await rig.state("news", n) for n in (1, 2)] == [("digested", "")] * 2
    states = sorted((one.type, one.state) for one in rig.outcomes())
    assert states == [("digest", "sent"), ("news", "digested"), ("news", "digested")]
    assert not rig.windows.windows


async def test_an_item_whose_type_was_removed_does_not_take_the_digest_with_it(rig: HeldPipeline) -> None:
    """It ends as dead, and the ledger says why; mail that was held alone does, too."""
    hourly = Choice(on=True, frequency="hourly")
    await rig.recipient(preferences={"news:email": hourly, "batched:email": hourly})
    for name in ("news", "batched", "later"):
        await rig.notify(name)
    removed = {"batched", "later"}
    rig.catalogue = Catalogue({type_.name: type_ for type_ in rig.catalogue if type_.name not in removed})
    rig.build("worker-2")
    await rig.at(NOON + HOUR)

    assert rig.mails() == ["digest"]
    assert await rig.state("news") == ("digested", "")
    assert [await rig.state(name) for name in sorted(removed)] == [("dead", "type_removed")] * 2
