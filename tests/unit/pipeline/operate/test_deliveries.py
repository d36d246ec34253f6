"""Deliveries are listed newest first, each once, by its latest outcome, from the log and from the index (ADR 15)."""

from collections.abc import Mapping, Sequence

import pytest

from service.model.ledger import State
from service.model.mail import Reply, SendResult, SendStatus
from service.model.outcome import Outcome
from service.model.reasons import Reason
from service.pipeline.operate.cursors import cursor_of, positions_in
from service.pipeline.operate.deliveries import DeliverySearch
from service.pipeline.operate.outcome_filter import OutcomeFilter
from tests.support.fake_pipeline import TOPICS, FakePipeline

REFUSED = SendResult(SendStatus.bounced, Reason.policy_refused, Reply(554, "5.7.1", "no"), "main", "rcpt")
NAMES = ("alice", "bob", "carol")


class Acceptances:
    """The OutcomeLog port over what was published."""

    def __init__(self, pipeline: FakePipeline) -> None:
        self._pipeline = pipeline

    async def acceptances(self, sent: Sequence[tuple[str, int]]) -> Mapping[tuple[str, int], Outcome]:
        found = {(one.delivery, one.at_ms): one for one in self._pipeline.outcomes()}
        return {key: found[key] for key in sent if key in found}


def search(pipeline: FakePipeline) -> DeliverySearch:
    return DeliverySearch(pipeline.log, pipeline.ledger, pipeline.ledger, Acceptances(pipeline), TOPICS)


async def some_deliveries() -> FakePipeline:
    """Three people: event 1 is refused by the relay, event 2 sent, event 3 still queued; a second apart."""
    pipeline = FakePipeline()
    await pipeline.seed()
    for topic in (TOPICS.outcomes, *TOPICS.dispatches()):
        pipeline.topics.setdefault(topic, [])
    for event, result in (("1", REFUSED), ("2", None)):
        pipeline.transport.fixed = result
        before = len(pipeline.email_records())
        await pipeline.ingest({"id": event, "type": "reset_password", "recipients": list(NAMES)})
        pipeline.clock.advance(1000)
        await pipeline.run(pipeline.deliver_email, pipeline.email_records()[before:])
        pipeline.clock.advance(1000)
    await pipeline.ingest({"id": "3", "type": "reset_password", "recipients": list(NAMES)})
    return pipeline


def places(deliveries: Sequence[Outcome]) -> list[tuple[str, str, str]]:
    return [(one.event_id, one.recipient, one.state.value) for one in deliveries]


async def test_each_delivery_is_listed_once_with_its_latest_state() -> None:
    """Queued ones too, which have no outcome yet; the relay's words are there."""
    pipeline = await some_deliveries()

    page = await search(pipeline).page(OutcomeFilter(), 100)

    expected = {("1", "bounced"), ("2", "sent"), ("3", "queued")}
    assert sorted(places(page.deliveries)) == sorted((e, name, s) for e, s in expected for name in NAMES)
    assert [one.event_id for one in page.deliveries] == sorted(
        (one.event_id for one in page.deliveries), reverse=True
    )
    assert page.next == ""
    assert {one.reply for one in page.deliveries if one.state is State.bounced} == {"554 5.7.1 no"}


@pytest.mark.parametrize("size", [1, 2, 4, 9])
async def test_pages_have_every_delivery_once(size: int) -> None:
    """Whatever comes between the pages."""
    pipeline = await some_deliveries()
    whole = places((await search(pipeline).page(OutcomeFilter(), 100)).deliveries)
    found: list[tuple[str, str, str]] = []
    cursor = ""
    while True:
        page = await search(pipeline).page(OutcomeFilter(), size, cursor)
        found += places(page.deliveries)
        cursor = page.next
        if not cursor:
            break
        await pipeline.ingest({"id": f"n{len(found)}", "type": "reset_password", "recipients": ["alice"]})

    assert found == whole


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        (OutcomeFilter(states=frozenset({State.bounced})), {"1"}),
        (OutcomeFilter(states=frozenset({State.sent, State.queued})), {"2", "3"}),
        (OutcomeFilter(relays=frozenset({"main"}), reasons=frozenset({"policy_refused"})), {"1"}),
        (OutcomeFilter(types=frozenset({"overbid"})), set()),
        (OutcomeFilter(channels=frozenset({"inbox"})), set()),
        (OutcomeFilter(recipients=frozenset({"bob"})), {"1", "2", "3"}),
        (OutcomeFilter(recipients=frozenset({"bob"}), states=frozenset({State.bounced})), {"1"}),
        (OutcomeFilter(recipients=frozenset({"bob"}), relays=frozenset({"main"})), {"1"}),
        (OutcomeFilter(events=frozenset({"2"})), {"2"}),
        (OutcomeFilter(codes=frozenset({"554"})), {"1"}),
    ],
)
async def test_filters(chosen: OutcomeFilter, expected: set[str]) -> None:
    """Each field narrows the list; a person's deliveries come from the index by recipient."""
    pipeline = await some_deliveries()

    page = await search(pipeline).page(chosen, 100)

    assert {one.event_id for one in page.deliveries} == expected
    assert len(page.deliveries) == len(expected) * (1 if chosen.recipients else 3)


async def test_times_narrow_the_list() -> None:
    """From a time on, and before one."""
    pipeline = await some_deliveries()
    (sent_ms,) = {one.at_ms for one in pipeline.outcomes() if one.state is State.sent}

    since = await search(pipeline).page(OutcomeFilter(since_ms=sent_ms), 100)
    until = await search(pipeline).page(OutcomeFilter(until_ms=sent_ms), 100)

    assert {one.event_id for one in since.deliveries} == {"2", "3"}
    assert {one.event_id for one in until.deliveries} == {"1"}


async def test_a_persons_deliveries_have_pages_too() -> None:
    """By the times at which they were made."""
    pipeline = await some_deliveries()
    chosen, found, cursor = OutcomeFilter(recipients=frozenset({"carol"})), list[str](), ""
    while True:
        page = await search(pipeline).page(chosen, 1, cursor)
        found += [one.event_id for one in page.deliveries]
        if not (cursor := page.next):
            break
    assert found == ["3", "2", "1"]


async def test_what_the_ledger_has_forgotten_is_listed_by_its_last_outcome() -> None:
    """A final one; one that was still open then says nothing any more."""
    pipeline = await some_deliveries()
    pipeline.ledger.__init__()  # type: ignore[misc]

    page = await search(pipeline).page(OutcomeFilter(), 100)

    assert {(one.event_id, one.state) for one in page.deliveries} == {("1", "bounced"), ("2", "sent")}


@pytest.mark.parametrize(
    "cursor", ["", "x", "e30", "W10", "bnVsbA", "eyJhIjpbMV19", "eyJ0IjpbLTFdfQ", "eyJ0IjoxfQ"]
)
def test_a_cursor_of_another_list_is_refused(cursor: str) -> None:
    """Any text: it comes from a client."""
    with pytest.raises(ValueError, match="not a cursor of this list"):
        positions_in(cursor, {"t"})
    assert positions_in(cursor_of({("t", 1): 7}), {"t"}) == {("t", 0): 0, ("t", 1): 7}
