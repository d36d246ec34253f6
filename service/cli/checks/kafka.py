"""Check of Kafka: the brokers answer, and the topics agree with the topic table."""

from collections.abc import Sequence

from service.cli.checks import Finding, fail, ok, warn
from service.cli.support.factories import kafka_connection
from service.cli.support.output import CliError
from service.ports import Unavailable
from service.settings import Settings


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
            connection, kafka.prefix, partitions=kafka.partitions, events=kafka.events
        )
    except CliError as failure:
        return [fail("kafka", str(failure), failure.remedy)]
    except Unavailable as unavailable:
        remedy = "start Kafka, or set TOCSIN_KAFKA__BOOTSTRAP and TOCSIN_KAFKA__SECURITY"
        return [fail("kafka", unavailable.reason, remedy)]
    missing = [topic.topic for topic in topics if not topic.partitions]
    differing = [f"{topic.topic} ({topic.differs})" for topic in topics if topic.partitions and topic.differs]
    if missing:
        findings.append(fail("topics", f"missing: {', '.join(missing)}", "run `tocsin topics apply`"))
    elif differing:
        detail = f"differ from the topic table: {', '.join(differing)}"
        findings.append(warn("topics", detail, "run `tocsin topics apply`"))
    else:
        findings.append(ok("topics", f"{len(topics)} topics agree with the topic table"))
    return findings


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
