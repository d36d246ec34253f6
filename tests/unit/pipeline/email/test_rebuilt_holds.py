"""Redis is emptied and rebuilt from Kafka while mail waits: each item is sent once."""

from collections.abc import Sequence

import pytest

from service.model.mail import SendResult, SendStatus
from service.model.reasons import Reason
from service.model.recipient import Choice
from service.pipeline.email.settle import SettledDelivery
from service.pipeline.email.settled_store import SettledStore
from service.ports import Unavailable
from tests.support.held_pipeline import HOUR, MINUTE, NOON, HeldPipeline, older_state, rebuilt

HOURLY = {"news:email": Choice(on=True, frequency="hourly")}


async def pipeline(**fields: object) -> HeldPipeline:
    new = HeldPipeline()
    await new.recipient(**fields)
    return new


async def test_what_waits_for_its_time_waits_on() -> None:
    """On every channel, with its reason and time."""
    lost = await pipeline()
    await lost.notify("plain", deliverat="2026-11-30T13:00:00Z")
    fresh = await rebuilt(lost)

    assert await fresh.state("plain") == ("held", "scheduled")
    assert await fresh.due.oldest_ms() == NOON + HOUR
    await fresh.work()
    assert fresh.mails() == []
    await fresh.at(NOON + HOUR)
    assert fresh.mails() == ["plain"]
    assert await fresh.state("plain", channel="inbox") == ("delivered", "")


async def test_an_open_window_takes_further_items() -> None:
    """Those from before and after are in one digest."""
    lost = await pipeline(preferences=HOURLY)
    await lost.notify("news", 1)
    await lost.notify("news", 2)
    fresh = await rebuilt(lost)
    await fresh.notify("news", 3)
    await fresh.at(NOON + HOUR)

    assert fresh.mails() == ["digest"]
    assert [await fresh.state("news", n) for n in (1, 2, 3)] == [("digested", "")] * 3


async def test_a_deferred_digest_keeps_its_items() -> None:
    """They are in no other digest, and the next attempt sends them."""
    lost = await pipeline(preferences=HOURLY)
    await lost.notify("news", 1)
    await lost.notify("news", 2)
    lost.transport.fixed = SendResult(SendStatus.deferred, Reason.temporary)
    await lost.at(NOON + HOUR)
    lost.transport.fixed = None
    fresh = await rebuilt(lost)
    await fresh.notify("news", 3)
    await fresh.at(NOON + HOUR + 10 * MINUTE)

    assert fresh.mails() == ["digest"]
    states = [(await fresh.state("news", n))[0] for n in (1, 2, 3)]
    assert states == ["digested", "digested", "held"]
    assert fresh.transport.accepted[0].content.count(b"\r\n") == 5


async def test_a_digest_that_was_sent_is_not_sent_again() -> None:
    """Nor are its items."""
    lost = await pipeline(preferences=HOURLY)
    await lost.notify("news", 1)
    await lost.at(NOON + HOUR)
    fresh = await rebuilt(lost)
    await fresh.at(NOON + 3 * HOUR)

    assert fresh.mails() == ["digest"]
    assert await fresh.state("news", 1) == ("digested", "")
    assert await fresh.due.count() == 0


async def test_an_older_window_takes_nothing_after_its_digest_was_sent() -> None:
    """A replica that is behind has it open; what came into it would be removed with it, and never sent."""
    lost = await pipeline(preferences=HOURLY)
    await lost.notify("news", 1)
    older = older_state(lost)
    await lost.recipient()
    await lost.due.hasten(await lost.due.held_of("alice"), NOON)
    await lost.at(NOON + MINUTE)
    assert lost.mails() == ["digest"]
    await lost.recipient(preferences=HOURLY)
    fresh = await rebuilt(lost, older)
    await fresh.notify("news", 2)
    await fresh.at(NOON + 2 * HOUR)

    assert fresh.mails() == ["digest", "digest"]
    assert [await fresh.state("news", n) for n in (1, 2)] == [("digested", "")] * 2
    assert await fresh.due.count() == 0


@pytest.mark.parametrize("is_cut_off", [False, True])
async def test_items_are_in_their_digest_after_redis_lost_that(
    monkeypatch: pytest.MonkeyPatch, *, is_cut_off: bool
) -> None:
    """Redis comes back with older data while the relay has the digest: its items do not stay held for ever."""
    rig = await pipeline(preferences=HOURLY)
    await rig.notify("news", 1)
    older, store = older_state(rig), SettledStore.store

    async def store_in_older(self: SettledStore, settled: Sequence[SettledDelivery]) -> set[str]:
        vars(rig.ledger).update(vars(older["ledger"]))
        refused = await store(self, settled)
        if is_cut_off:  # and the record of the digest is read again
            monkeypatch.setattr(SettledStore, "store", store)
            raise Unavailable("cut off")
        return refused

    monkeypatch.setattr(SettledStore, "store", store_in_older)
    if is_cut_off:
        with pytest.raises(Unavailable):
            await rig.at(NOON + HOUR)
        rig.offsets["dispatch.email.normal"] -= 1
    await rig.at(NOON + HOUR)

    assert rig.mails() == ["digest"]
    assert await rig.state("news", 1) == ("digested", "")


async def test_an_item_whose_digest_is_lost_goes_with_another_one() -> None:
    """The outcome of the digest was never published."""
    lost = await pipeline(preferences=HOURLY)
    await lost.notify("news", 1)
    outcomes = lost.topics["dispatch.outcomes"]
    lost.topics["dispatch.outcomes"] = [m for m in outcomes if b'"type":"digest"' not in (m.value or b"")]
    fresh = await rebuilt(lost)
    await fresh.at(NOON + HOUR)
    await fresh.at(NOON + 2 * HOUR)

    assert fresh.mails() == ["digest"]
    assert await fresh.state("news", 1) == ("digested", "")


async def test_mail_of_the_last_day_still_counts() -> None:
    """A limit holds after the rebuild, too."""
    lost = await pipeline()
    await lost.notify("capped", 1)
    await lost.notify("capped", 2)
    fresh = await rebuilt(lost)
    await fresh.notify("capped", 3)

    assert fresh.mails() == ["capped"] * 2
    assert await fresh.state("capped", 3) == ("held", "limit")
