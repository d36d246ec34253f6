"""`explain` agrees with a plain second implementation on 1,000 random events, for every recipient and channel."""

import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from service.model.blocks.suppression import suppression
from service.model.catalogue import Catalogue
from service.model.channels import Channel
from service.model.reasons import Reason
from service.pipeline.operate import explain as explaining
from service.pipeline.operate.explain import Explainer, ExplainQuery
from service.pipeline.operate.not_notified import NotNotified, NotNotifiedReason
from tests.support.fake_pipeline import FakePipeline
from tests.support.resolve_oracle import (
    SOURCE,
    Answer,
    Scenario,
    expected_answers,
    explained_answer,
    make_scenario,
)

pytestmark = pytest.mark.exhaustive

SEEDS, EVENTS = (1, 2, 3, 4, 5), 200
Compared = tuple[str, str, str, Answer | None, Answer]


async def delivered_scenario(seed: int, events: int) -> tuple[FakePipeline, Scenario]:
    """Return a scenario whose events were all processed, withdrawn ones among them, in random batches."""
    pipeline, rng = FakePipeline(), random.Random(seed)
    both = pipeline.catalogue["mixed"].model_copy(update={"name": "mixed_both", "channels": tuple(Channel)})
    pipeline.catalogue = Catalogue({row.name: row for row in (*pipeline.catalogue, both)})
    pipeline.build("worker-1")
    scenario = make_scenario(pipeline.catalogue, seed, events=events)
    await pipeline.tables.put_recipients(scenario.recipients)
    await pipeline.tables.put_contacts(scenario.contacts)
    for group in scenario.groups:
        await pipeline.tables.put_group(group)
    for address in scenario.suppressed:
        await pipeline.tables.put_suppression(*suppression(address, Reason.mailbox_unknown, 5))
    published = [*scenario.events]
    published += [
        {"id": f"w-{name}", "source": SOURCE, "type": "withdraw", "data": {"id": name}}
        for name in scenario.withdrawn
    ]
    rng.shuffle(published)
    while published:
        size = rng.randrange(1, 20)
        batch, published = published[:size], published[size:]
        await pipeline.ingest(*batch)
    await pipeline.deliver()
    return pipeline, scenario


async def compared(pipeline: FakePipeline, scenario: Scenario) -> list[Compared]:
    """Return for each event × recipient × channel the answer of `explain` (None: none, or several) and the expected."""
    explain, expected = pipeline.explain, expected_answers(scenario, pipeline.catalogue)
    results: list[Compared] = []
    for event in scenario.events:
        for recipient in scenario.recipient_ids:
            document = await explain(ExplainQuery(event["id"], SOURCE, recipient))
            for channel in ("email", "inbox"):
                try:
                    answer = explained_answer(document, recipient, channel)
                except ValueError:
                    answer = None
                expected_answer = expected[event["id"], recipient, channel]
                results.append((event["id"], recipient, channel, answer, expected_answer))
    return results


@pytest.mark.parametrize("seed", SEEDS)
async def test_explain_agrees_with_a_second_implementation(seed: int) -> None:
    """Also for recipients without a delivery, which most of a scenario are for each event. And the sums balance."""
    pipeline, scenario = await delivered_scenario(seed, EVENTS)
    results = await compared(pipeline, scenario)

    assert len(results) == EVENTS * len(scenario.recipient_ids) * 2
    assert len({expected for *_, expected in results}) >= 14  # every kind of answer is there
    not_notified = {expected[1] for *_, expected in results if expected[0] == "nothing"}
    assert not_notified == {*NotNotifiedReason}
    assert [one for one in results if one[3] != one[4]] == []
    for event in scenario.events:
        sums = (await pipeline.explain(ExplainQuery(event["id"])))["events"][0]["sums"]
        resolved = [one for one in results if one[0] == event["id"] and one[4][0] != "nothing"]
        assert sums["balanced"]
        assert sums["resolved"] == len(resolved) == sum({**sums["final"], **sums["open"]}.values())


def test_a_thousand_events_are_compared() -> None:
    """No event is counted twice: each seed gives another scenario."""
    assert len(set(SEEDS)) * EVENTS >= 1000


def _lose_one(self: Explainer, *args: Any, _original: Any = Explainer._deliveries) -> Any:
    async def all_but_one() -> list[dict[str, Any]]:
        deliveries: list[dict[str, Any]] = await _original(self, *args)
        return deliveries[:-1]

    return all_but_one()


def _one_reason(*args: Any, _original: Any = explaining.not_matched) -> Iterator[NotNotified]:
    for one in _original(*args):
        yield NotNotified(one.recipient, one.channel, NotNotifiedReason.not_in_audience, one.words)


def _one_channel(*args: Any, _original: Any = explaining.channels_left_out) -> Iterator[NotNotified]:
    yield from [one for one in _original(*args) if one.channel == "email"]


@pytest.mark.parametrize(
    ("place", "name", "fault"),
    [
        (Explainer, "_deliveries", _lose_one),
        (explaining, "not_matched", _one_reason),
        (explaining, "channels_left_out", _one_channel),
    ],
    ids=["a delivery is left out", "a wrong reason", "a channel is left out"],
)
async def test_a_fault_in_explain_is_noticed(
    place: Any, name: str, fault: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second implementation shares nothing with `explain`, so they disagree on every fault."""
    pipeline, scenario = await delivered_scenario(1, 40)
    assert [one for one in await compared(pipeline, scenario) if one[3] != one[4]] == []

    monkeypatch.setattr(place, name, fault)

    assert [one for one in await compared(pipeline, scenario) if one[3] != one[4]] != []
