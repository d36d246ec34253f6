"""`explain` agrees with a plain second opinion on random events, for everybody and every channel."""

import random

import pytest

from service.model.ledger import Reason
from service.pipeline.explain import Ask
from tests.agreement import SOURCE, answers, explained, town
from tests.pipelines import Pipeline


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_explain_agrees_with_a_second_opinion(seed: int) -> None:
    """Hundreds of events with random audiences and preferences, withdrawn ones among them, in random batches."""
    pipeline, rng = Pipeline(), random.Random(seed)
    of = town(pipeline.catalogue, seed, events=150)
    await pipeline.tables.put_recipients(of.recipients)
    await pipeline.tables.put_contacts(of.contacts)
    for group in of.groups:
        await pipeline.tables.put_group(group)
    for address in of.suppressed:
        await pipeline.tables.suppress(address, Reason.mailbox_unknown, 5)
    published = [*of.events]
    published += [
        {"id": f"w-{name}", "source": SOURCE, "type": "withdraw", "data": {"id": name}}
        for name in of.withdrawn
    ]
    rng.shuffle(published)
    while published:
        size = rng.randrange(1, 20)
        batch, published = published[:size], published[size:]
        await pipeline.publish(*batch)
    await pipeline.deliver()

    explain = pipeline.explain
    expected = answers(of, pipeline.catalogue)
    assert len(set(expected.values())) >= 14  # every kind of answer is there
    for event in of.events:
        for who in of.everybody:
            document = await explain(Ask(event["id"], SOURCE, who))
            for channel in ("email", "inbox"):
                said = explained(document, who, channel)
                assert said == expected[event["id"], who, channel], (event, who, channel)
        sums = (await explain(Ask(event["id"])))["events"][0]["sums"]
        resolved = [a for (name, _, _), a in expected.items() if name == event["id"] and a[0] != "nothing"]
        assert sums["balanced"]
        assert sums["resolved"] == len(resolved) == sum(sums["final"].values())
