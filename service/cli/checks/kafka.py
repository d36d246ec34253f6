"""Check of Kafka: the brokers answer, and the topics agree with the topic table."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from service.cli.checks import Finding, fail, ok, warn
from service.cli.support.factories import kafka_connection
from service.cli.support.output import CliError
from service.ports import Unavailable
from service.settings import KafkaSettings, Settings

if TYPE_CHECKING:
    from streams.topics.status import TopicStatus


async def check_kafka(settings: Settings) -> Sequence[Finding]:
    """Return the findings on the brokers, then on the topics."""
    from streams.kafka.errors import broker_count
    from streams.topics.status import topic_status

    kafka = settings.kafka
    try:
        connection = kafka_connection(settings)
        brokers = _count(await broker_count(connection), "broker")
        findings = [ok("kafka", f"{kafka.bootstrap}, {brokers}, {kafka.security}")]
        topics = await topic_status(
            connection,
            kafka.prefix,
            partitions=kafka.partitions,
            min_insync_replicas=kafka.min_insync_replicas,
            events=kafka.events,
        )
    except CliError as failure:
        return [fail("kafka", str(failure), failure.remedy)]
    except Unavailable as unavailable:
        remedy = "start Kafka, or set TOCSIN_KAFKA__BOOTSTRAP and TOCSIN_KAFKA__SECURITY"
        return [fail("kafka", unavailable.reason, remedy)]
    missing = [topic.topic for topic in topics if not topic.partitions]
    differing = [f"{topic.topic} ({topic.differs})" for topic in topics if topic.partitions and topic.differs]
    if missing:
        findings.append(
            fail("topics", f"topics are missing: {', '.join(missing)}", "run `tocsin topics apply`")
        )
    elif differing:
        detail = f"differ from the topic table: {', '.join(differing)}"
        findings.append(warn("topics", detail, "run `tocsin topics apply`"))
    else:
        findings.append(ok("topics", f"{len(topics)} topics agree with the topic table"))
    return [*findings, *_replication(topics, kafka)]


async def nothing_dispatched(settings: Settings) -> bool:
    """Return whether no delivery was ever dispatched; False where Kafka does not say."""
    from service.model.topics import TopicNames
    from streams.reader import positions

    with suppress(Unavailable, CliError):
        return await positions.nothing_dispatched(
            kafka_connection(settings), TopicNames(settings.kafka.prefix)
        )
    return False


def _replication(topics: "Sequence[TopicStatus]", kafka: KafkaSettings) -> Iterator[Finding]:
    """Return what one broker's loss would cost, where the topics are to have replicas."""
    if kafka.replication == 1:
        return
    present = [topic for topic in topics if topic.partitions]
    if few := [f"{one.topic} ({one.replication})" for one in present if one.replication < kafka.replication]:
        detail = f"fewer than {kafka.replication} replicas: {', '.join(few)}"
        yield warn("kafka replication", detail, "add replicas with kafka-reassign-partitions.sh")
    elif alone := [one.topic for one in present if one.min_insync_replicas == 1 < one.replication - 1]:
        detail = f"a record counts as written when one broker has it: {', '.join(alone)}"
        yield warn("kafka replication", detail, "set min.insync.replicas 2 on them")
    elif present:
        least = min(one.min_insync_replicas for one in present)
        yield ok("kafka replication", f"{kafka.replication} replicas, of which {least} must be in sync")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
