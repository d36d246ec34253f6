"""Channels are data: a third one is a row of the table, and code that meets it routes it to its own topic or fails."""

import subprocess
import sys

import pytest

from service.model.catalogue import Lane
from service.model.channels import CHANNELS, Channel
from service.model.topics import TopicNames
from tests.support.paths import ROOT

TOY_CHANNEL = """
import asyncio

from service.model import channels

# An enum cannot be extended, so the row is added the way the enum itself adds one, before anything reads it.
pager = str.__new__(channels.Channel, "pager")
pager._name_ = pager._value_ = "pager"
channels.Channel._member_map_["pager"] = channels.Channel._value2member_map_["pager"] = pager
channels.Channel._member_names_.append("pager")
channels.CHANNELS[pager] = channels.ChannelProperties("pager")

from service.model.catalogue import Audience, AudienceRule, Catalogue, NotificationType
from service.model.delivery import Delivery
from tests.support import fake_pipeline

page = NotificationType.model_validate({
    "name": "mixed", "domain": "test", "title": "mixed", "description": "", "sample": {},
    "audience": (Audience(kind=AudienceRule.users), Audience(kind=AudienceRule.group)),
    "channels": ("email", "inbox", "pager"),
})
fake_pipeline.small_catalogue = lambda: Catalogue({"mixed": page})


async def main() -> None:
    pipeline = next(c for n, c in vars(fake_pipeline).items() if n in ("FakePipeline", "Pipeline"))()
    await pipeline.seed()
    await pipeline.ingest({"id": "1", "type": "mixed", "recipients": ["alice"], "external_id": "12345"})
    dispatched = {
        topic: [Delivery.from_bytes(message.value) for message in messages]
        for topic, messages in pipeline.topics.items() if not topic.endswith("outcomes")
    }
    assert sorted(dispatched) == ["dispatch.email.normal", "dispatch.inbox", "dispatch.pager"], dispatched
    assert all(d.channel == topic.split(".")[1] for topic, found in dispatched.items() for d in found)
    assert [d.recipient for d in dispatched["dispatch.pager"]] == ["alice"], "a group's address has no pager"
    assert not dispatched["dispatch.pager"][0].address, "only an addressed channel carries the address"

    states = await pipeline.states("1")
    assert states["alice", "pager"] == ("queued", "")
    (event,) = (await pipeline.explain(fake_pipeline_query(event="1")))["events"]
    assert {d["channel"] for d in event["deliveries"]} == {"email", "inbox", "pager"}

    await pipeline.ingest({"id": "w", "type": "withdraw", "data": {"id": "1", "source": "/t"}})
    assert (await pipeline.states("1"))["alice", "pager"] == ("withdrawn", "withdrawn_by_source")


from service.pipeline.operate.explain import ExplainQuery as fake_pipeline_query

asyncio.run(main())
"""


def test_a_third_channel_is_one_row() -> None:
    """Resolve, ledger, explain and withdraw serve it by its properties; no message of it reaches another channel."""
    run = subprocess.run(
        [sys.executable, "-c", TOY_CHANNEL], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr


def test_every_channel_has_a_row() -> None:
    """And every row a medium of its own."""
    assert set(CHANNELS) == set(Channel)
    assert len({properties.medium for properties in CHANNELS.values()}) == len(CHANNELS)


def test_a_channel_outside_the_table_is_not_routed() -> None:
    """A lookup fails; there is no default topic."""
    with pytest.raises(KeyError):
        TopicNames().dispatch("pager", Lane.high)  # type: ignore[arg-type]


def test_topics_of_the_table() -> None:
    """The names on the wire."""
    lanes = {f"dispatch.email.{lane}" for lane in Lane}
    assert TopicNames().dispatches() == lanes | {"dispatch.inbox"}
