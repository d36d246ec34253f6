"""The API's ports on their adapters, opened and closed. Everything is imported at once: only `tocsin api` needs it."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial

from service.adapters.brand_file import BrandError
from service.adapters.catalogue_file import CatalogueError
from service.adapters.redis.http.ended_sessions import RedisEndedSessions
from service.adapters.redis.http.idempotency import RedisIdempotency
from service.adapters.redis.http.rate_limits import RedisRateLimits
from service.adapters.redis.http.stream_tickets import RedisStreamTickets
from service.adapters.redis.inbox.changes import RedisInboxChanges
from service.adapters.redis.inbox.pages import RedisInboxReads
from service.adapters.redis.tables.contacts import RedisContacts
from service.adapters.redis.tables.credentials import RedisAccounts, RedisApiKeys
from service.adapters.redis.tables.directory import RedisRecipientDirectory
from service.api.deps import ApiDeps
from service.bootstrap.operator_services import operation_runner, operator_services
from service.bootstrap.parts import Parts, bootstrap
from service.bootstrap.reload import CurrentParts
from service.cli.support.output import CliError
from service.settings import Settings
from streams.kafka.connection import kafka_connection
from streams.producer.producer import Producer
from streams.reader.event_log import KafkaEventLog
from streams.reader.outcome_log import KafkaOutcomeLog
from streams.reader.record_log import KafkaRecordLog
from streams.topics.table import DEAD_LETTER_BYTES


@dataclass(frozen=True, slots=True)
class ApiAssembly:
    """The API's ports. `current` has the version of the catalogue; `deps` returns the ports with that of some parts."""

    current: CurrentParts
    deps: Callable[[Parts], ApiDeps]


@asynccontextmanager
async def api_assembly(settings: Settings) -> AsyncIterator[ApiAssembly]:
    """Open the adapters behind the API's ports, and close them. Raise CliError for a file that cannot be used."""
    try:
        parts = bootstrap(settings)
    except (CatalogueError, BrandError) as error:
        raise CliError(str(error)) from error
    connection = kafka_connection(settings.kafka)
    producer = Producer(connection)
    # A producer of its own: the original of a dead letter may be larger than what a request may publish.
    operators_producer = Producer(connection, limit_bytes=DEAD_LETTER_BYTES)
    records = KafkaRecordLog(connection)
    operations = operation_runner(parts, records)
    outcomes, events = (
        KafkaOutcomeLog(connection, parts.topics.outcomes),
        KafkaEventLog(connection, settings.kafka),
    )
    async with AsyncExitStack() as closing:
        closing.push_async_callback(parts.store.close)
        for one in (producer, operators_producer):
            closing.push_async_callback(one.stop)
            await one.start()
        closing.push_async_callback(operations.close)  # what operators have begun is cut off at the end
        ports = _ports(parts, producer)

        def deps(parts: Parts) -> ApiDeps:
            return replace(
                ports,
                catalogue=parts.catalogue,
                brands=parts.brands,
                explain=parts.explain(outcomes),
                what_if=parts.what_if(events),
                operate=operator_services(parts, operators_producer, records, outcomes, operations),
            )

        yield ApiAssembly(CurrentParts(parts), deps)


def _ports(parts: Parts, producer: Producer) -> ApiDeps:
    """Return the ports, without those that depend on the catalogue."""
    settings = parts.settings
    return ApiDeps(
        settings=settings,
        catalogue=parts.catalogue,
        brands=parts.brands,
        clock=parts.clock,
        writer=parts.table_writer(producer),
        contacts=RedisContacts(parts.store),
        directory=RedisRecipientDirectory(parts.store),
        inbox=parts.inbox,
        inbox_reads=RedisInboxReads(parts.store, parts.clock),
        inbox_changes=RedisInboxChanges(parts.store),
        ledger=parts.ledger,
        publisher=producer,
        accounts=RedisAccounts(parts.store),
        api_keys=RedisApiKeys(parts.store),
        rate_limits=RedisRateLimits(parts.store),
        idempotency=RedisIdempotency(parts.store),
        stream_tickets=RedisStreamTickets(parts.store),
        observer=parts.observer(producer.not_ready_reason),
        ended_sessions=RedisEndedSessions(parts.store),
        events_topic=settings.kafka.events[0],
        bounces=parts.bounces(producer),
        checks={"redis": partial(_redis_error, parts), "kafka": producer.not_ready_reason},
        stalls={"redis": parts.store.stalled_s},
    )


async def _redis_error(parts: Parts) -> str | None:
    """Return why Redis cannot serve requests. It is written to: a replica and a full disk answer reads."""
    await parts.store.probe()  # over the connections of all requests
    return await parts.completeness.incomplete()
