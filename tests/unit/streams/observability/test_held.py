"""What is held until a time, in the metrics: how much and how old, by lane and reason; and how late releases are."""

from collections.abc import Mapping

import pytest
from prometheus_client import REGISTRY

from service.model.catalogue import AudienceRule, Lane
from service.model.channels import Channel
from service.model.delivery import Delivery
from service.model.ids import delivery_id, event_key
from service.model.ledger import State
from service.model.reasons import HELD_UNTIL_A_TIME, Reason
from service.model.topics import TopicNames
from service.observability.metrics import observe_digest
from service.pipeline.email.schedule import Scheduler
from streams.observability.open_ages import held_until_a_time
from tests.fakes.clock import FakeClock
from tests.fakes.due import FakeDueSet
from tests.fakes.publisher import FakePublisher


class Ages:
    """Implements the OpenAges port: one delivery, as old as the epoch."""

    async def waiting(self) -> Mapping[tuple[Lane, State], int]:
        return {}

    async def held_by_reason(self) -> Mapping[tuple[Lane, Reason], int]:
        return {(Lane.bulk, Reason.limit): 0}

    async def held(self) -> Mapping[Lane, int]:
        return {}


def delivery(n: int, lane: Lane) -> Delivery:
    event = event_key("s", str(n))
    return Delivery(
        id=delivery_id(event, "r", "email"), event=event, event_id=str(n), source="s", type="overbid",
        channel=Channel.email, recipient="r", rule=AudienceRule.users, created_ms=1, received_ms=1,
        deadline_ms=9 * 10**12, lane=lane,
    )  # fmt: skip


def lateness(lane: Lane, bound: str) -> float:
    labels = {"lane": lane.value, "le": bound}
    return REGISTRY.get_sample_value("tocsin_release_lateness_seconds_bucket", labels) or 0.0


async def test_what_is_held_is_counted_by_lane_and_reason() -> None:
    """Every lane and reason has a row, so that none disappears; an outage of Redis leaves the metrics out."""
    due = FakeDueSet()
    held = [delivery(1, Lane.bulk), delivery(2, Lane.bulk), delivery(3, Lane.normal)]
    reasons = [Reason.limit, Reason.limit, Reason.digest]
    await due.add(held, [9] * 3, [State.held] * 3, reasons)
    numbers, ages = await held_until_a_time(due, Ages())
    rows = {(s.labels["lane"], s.labels["reason"]): s.value for s in numbers.samples}
    assert len(rows) == len(Lane) * len(HELD_UNTIL_A_TIME)
    assert {group: n for group, n in rows.items() if n} == {("bulk", "limit"): 2, ("normal", "digest"): 1}
    oldest = {(s.labels["lane"], s.labels["reason"]): s.value for s in ages.samples}
    assert oldest["bulk", "limit"] > 10**9
    assert oldest["normal", "digest"] == 0
    due.outage.reason = "redis: gone"
    assert await held_until_a_time(due, Ages()) == []


@pytest.mark.parametrize("lane", Lane)
async def test_the_lateness_of_each_release_is_observed(lane: Lane) -> None:
    """From when it was due, also where a lease has ended since."""
    due, clock = FakeDueSet(), FakeClock()
    scheduler = Scheduler(due, FakePublisher(), TopicNames(""), clock)
    before = [lateness(lane, bound) for bound in ("0.75", "60")]
    await due.add([delivery(1, lane), delivery(2, lane)], [clock.now_ms() - 600, clock.now_ms()])
    await due.take(clock.now_ms() - 100, 1, lease_ms=100)
    clock.advance(100)
    assert await scheduler.run_once() == 2
    assert lateness(lane, "0.75") - before[0] == 2
    await due.add([delivery(3, lane)], [clock.now_ms() - 59_000])
    await scheduler.run_once()
    assert lateness(lane, "0.75") - before[0] == 2
    assert lateness(lane, "60") - before[1] == 3


def test_digests_are_counted_by_their_size() -> None:
    """In buckets of their numbers of items."""

    def count(bound: str) -> float:
        return REGISTRY.get_sample_value("tocsin_digest_items_bucket", {"le": bound}) or 0.0

    before = count("10"), count("20"), count("+Inf")
    for items in (1, 10, 11, 1000):
        observe_digest(items)
    assert (count("10") - before[0], count("20") - before[1], count("+Inf") - before[2]) == (2, 3, 4)
