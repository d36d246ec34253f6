"""`explain` agrees with a plain second opinion on 1,000 random events, for everybody and every channel."""

import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from service.model.catalogue import Catalogue
from service.model.channels import Channel
from service.model.reasons import Reason
from service.model.suppression import suppression
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

SEEDS, EVENTS = (1, 2, 3, 4, 5), 200
Said = tuple[str, str, str, Answer | None, Answer]


async def lived(seed: int, events: int) -> tuple[FakePipeline, Scenario]:
    """A town whose events have all been delivered, withdrawn ones among them, in random batches."""
    pipeline, rng = FakePipeline(), random.Random(seed)
    both = pipeline.catalogue["mixed"].model_copy(update={"name": "mixed_both", "channels": tuple(Channel)})
    pipeline.catalogue = Catalogue({row.name: row for row in (*pipeline.catalogue, both)})
    pipeline.build("worker-1")
    of = make_scenario(pipeline.catalogue, seed, events=events)
    await pipeline.tables.put_recipients(of.recipients)
    await pipeline.tables.put_contacts(of.contacts)
    for group in of.groups:
        await pipeline.tables.put_group(group)
    for address in of.suppressed:
        await pipeline.tables.put_suppression(*suppression(address, Reason.mailbox_unknown, 5))
    published = [*of.events]
    published += [
        {"id": f"w-{name}", "source": SOURCE, "type": "withdraw", "data": {"id": name}}
        for name in of.withdrawn
    ]
    rng.shuffle(published)
    while published:
        size = rng.randrange(1, 20)
        batch, published = published[:size], published[size:]
        await pipeline.ingest(*batch)
    await pipeline.deliver()
    return pipeline, of


async def asked(pipeline: FakePipeline, of: Scenario) -> list[Said]:
    """Everybody × every channel of every event: what `explain` says (None: no answer, or several), and the other."""
    explain, expected = pipeline.explain, expected_answers(of, pipeline.catalogue)
    said: list[Said] = []
    for event in of.events:
        for who in of.recipient_ids:
            document = await explain(ExplainQuery(event["id"], SOURCE, who))
            for channel in ("email", "inbox"):
                try:
                    answer = explained_answer(document, who, channel)
                except ValueError:
                    answer = None
                said.append((event["id"], who, channel, answer, expected[event["id"], who, channel]))
    return said


@pytest.mark.parametrize("seed", SEEDS)
async def test_explain_agrees_with_a_second_opinion(seed: int) -> None:
    """Also for those who got nothing: most of a town hears nothing of an event. And the sums balance."""
    pipeline, of = await lived(seed, EVENTS)
    said = await asked(pipeline, of)

    assert len(said) == EVENTS * len(of.recipient_ids) * 2
    assert len({expected for *_, expected in said}) >= 14  # every kind of answer is there
    nothing = {expected[1] for *_, expected in said if expected[0] == "nothing"}
    assert nothing == {*NotNotifiedReason}
    assert [one for one in said if one[3] != one[4]] == []
    for event in of.events:
        sums = (await pipeline.explain(ExplainQuery(event["id"])))["events"][0]["sums"]
        resolved = [one for one in said if one[0] == event["id"] and one[4][0] != "nothing"]
        assert sums["balanced"]
        assert sums["resolved"] == len(resolved) == sum(sums["final"].values())


def test_a_thousand_events_are_asked_about() -> None:
    """Each of them another: seeds give other towns."""
    assert len(set(SEEDS)) * EVENTS >= 1000


def _one_lost(self: Explainer, *given: Any, _whole: Any = Explainer._deliveries) -> Any:
    async def told() -> list[dict[str, Any]]:
        whole: list[dict[str, Any]] = await _whole(self, *given)
        return whole[:-1]

    return told()


def _one_reason(*given: Any, _whole: Any = explaining.not_found) -> Iterator[NotNotified]:
    for one in _whole(*given):
        yield NotNotified(one.recipient, one.channel, NotNotifiedReason.not_in_audience, one.words)


def _one_channel(*given: Any, _whole: Any = explaining.not_made) -> Iterator[NotNotified]:
    yield from [one for one in _whole(*given) if one.channel == "email"]


@pytest.mark.parametrize(
    ("place", "name", "fault"),
    [
        (Explainer, "_deliveries", _one_lost),
        (explaining, "not_found", _one_reason),
        (explaining, "not_made", _one_channel),
    ],
    ids=["a delivery is left out", "a wrong reason for nothing", "a channel is left out"],
)
async def test_a_fault_in_explain_is_noticed(
    place: Any, name: str, fault: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second opinion shares nothing with `explain`: what it gets wrong, they disagree on."""
    pipeline, of = await lived(1, 40)
    assert [one for one in await asked(pipeline, of) if one[3] != one[4]] == []

    monkeypatch.setattr(place, name, fault)

    assert [one for one in await asked(pipeline, of) if one[3] != one[4]] != []
