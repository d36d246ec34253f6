"""Kafka: reachable, and its topics as the table has them."""

from collections.abc import Sequence

from service.cli.checks import Finding, fail, ok, warn
from service.cli.support.factories import kafka_of
from service.cli.support.output import CliError
from service.ports import Unavailable
from service.settings import Settings


async def check_kafka(settings: Settings) -> Sequence[Finding]:
    """Brokers, then topics."""
    from streams.kafka.errors import broker_count
    from streams.topics.status import topic_status

    kafka = settings.kafka
    try:
        connection = kafka_of(settings)
        found = [
            ok(
                "kafka",
                f"{kafka.bootstrap}, {_many(await broker_count(connection), 'broker')}, {kafka.security}",
            )
        ]
        topics = await topic_status(
            connection, kafka.prefix, partitions=kafka.partitions, events=kafka.events
        )
    except CliError as failure:
        return [fail("kafka", str(failure), failure.remedy)]
    except Unavailable as away:
        return [
            fail(
                "kafka", away.reason, "start Kafka, or set TOCSIN_KAFKA__BOOTSTRAP and TOCSIN_KAFKA__SECURITY"
            )
        ]
    missing = [topic.topic for topic in topics if not topic.partitions]
    differing = [f"{topic.topic} ({topic.differs})" for topic in topics if topic.partitions and topic.differs]
    if missing:
        found.append(fail("topics", f"missing: {', '.join(missing)}", "run `tocsin topics apply`"))
    elif differing:
        found.append(
            warn("topics", f"other than the table: {', '.join(differing)}", "run `tocsin topics apply`")
        )
    else:
        found.append(ok("topics", f"{len(topics)} topics as in the table"))
    return found


def _many(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
