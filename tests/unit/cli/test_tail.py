"""Topics by their short names."""

import pytest

from service.cli.tail import topic_names
from service.model.catalogue import Lane
from service.model.channels import CHANNELS, Channel
from service.model.topics import TABLES, TopicNames
from service.settings import KafkaSettings, Settings

SETTINGS = Settings(kafka=KafkaSettings(prefix="p.", events=("upstream-1", "upstream-2")))
TOPICS = TopicNames("p.")


@pytest.mark.parametrize("channel", list(Channel))
def test_a_channel_stands_for_its_dispatch_topics(channel: Channel) -> None:
    """All lanes by the channel's name, and one lane by CHANNEL.LANE where the channel has lanes."""
    topics = {TOPICS.dispatch(channel, lane) for lane in Lane}

    assert set(topic_names(channel, SETTINGS)) == topics
    assert len(topic_names(channel, SETTINGS)) == len(topics)
    if CHANNELS[channel].lanes:
        for lane in Lane:
            assert topic_names(f"{channel}.{lane}", SETTINGS) == [TOPICS.dispatch(channel, lane)]


@pytest.mark.parametrize(
    ("name", "topics"),
    [
        ("outcomes", ["p.dispatch.outcomes"]),
        ("dead-letter", ["p.dispatch.dead-letter"]),
        ("dead-letters", ["p.dispatch.dead-letter"]),
        ("audit", ["p.dispatch.audit"]),
        ("inbox", ["p.dispatch.inbox"]),
        ("email.high", ["p.dispatch.email.high"]),
        ("events", ["upstream-1", "upstream-2"]),
        ("p.dispatch.withdrawals", ["p.dispatch.withdrawals"]),
        *((f"tables.{name}", [f"p.tables.{name}"]) for name in TABLES),
    ],
)
def test_short_and_full_names(name: str, topics: list[str]) -> None:
    """A name that is not a short name is a full name."""
    assert list(topic_names(name, SETTINGS)) == topics
