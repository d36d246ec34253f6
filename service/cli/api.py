"""`tocsin api`: serve the HTTP API."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

import typer

from service.cli.support.output import CliError

if TYPE_CHECKING:
    from fastapi import APIRouter, FastAPI

    from service.api.deps import ApiDeps
    from service.bootstrap import Parts
    from service.settings import Settings

app = typer.Typer(add_completion=False)


@app.command()
def api() -> None:
    """Serve the HTTP API: inboxes, groups, contacts, preferences, recipients, events. SIGTERM stops it.

    Metrics are on a port of their own: TOCSIN_HTTP__METRICS_PORT.
    """
    import uvloop

    from service.observability.logs import configure
    from service.settings import load

    settings = load()
    configure(settings.log_level, settings.log_format)
    uvloop.run(_serve(settings))


async def _serve(settings: "Settings") -> None:
    from service.api.app import create_app
    from service.api.auth.tokens import Tokens
    from service.api.metrics_server import MetricsServer
    from service.api.server import ApiServer, collect_less_garbage

    try:
        Tokens(settings)  # before any connection: wrong settings must not look like an outage
        console = _console_routes(settings)
    except ValueError as error:
        raise CliError(str(error)) from error
    async with _deps(settings) as deps:
        application = create_app(deps, *_start_page(settings), *console)
        if console:
            _add_console(application, deps)
        collect_less_garbage()
        metrics = MetricsServer(settings.http.metrics_host, settings.http.metrics_port)
        await metrics.start()
        try:
            await ApiServer(application, settings.http).serve()
        finally:
            await metrics.stop()


def _start_page(settings: "Settings") -> "Sequence[APIRouter]":
    """Return the routes of the start page, which only dev mode has."""
    if settings.mode != "dev":
        return ()
    from service.dev.start.routes import router

    return (router,)


def _console_routes(settings: "Settings") -> "Sequence[APIRouter]":
    """Return the routes of the console, if there is to be one. Raise ValueError for settings that are not safe."""
    if not settings.has_console:
        return ()
    from service.console.routes import routers
    from service.console.state import check_settings

    check_settings(settings)
    return routers()


def _add_console(application: "FastAPI", deps: "ApiDeps") -> None:
    from service.console.state import add_console, make_console

    add_console(application, make_console(deps))


async def _redis_error(parts: "Parts") -> str | None:
    """Return why Redis is not ready."""
    # a write over the connections of all requests: a replica and a full disk answer reads
    await parts.store.probe()
    return await parts.completeness.incomplete()


@asynccontextmanager
async def _deps(settings: "Settings") -> AsyncIterator["ApiDeps"]:
    """Open the adapters behind the API's ports, and close them."""
    from service.adapters.brand_file import BrandError
    from service.adapters.catalogue_file import CatalogueError
    from service.adapters.rate_limits import SharedRateLimits
    from service.adapters.redis.http.ended_sessions import RedisEndedSessions
    from service.adapters.redis.http.idempotency import RedisIdempotency
    from service.adapters.redis.http.stream_tickets import RedisStreamTickets
    from service.adapters.redis.inbox.changes import RedisInboxChanges
    from service.adapters.redis.inbox.pages import RedisInboxReads
    from service.adapters.redis.tables.contacts import RedisContacts
    from service.adapters.redis.tables.credentials import RedisAccounts, RedisApiKeys
    from service.adapters.redis.tables.directory import RedisRecipientDirectory
    from service.api.deps import ApiDeps
    from service.bootstrap import bootstrap
    from streams.kafka.connection import kafka_connection
    from streams.producer.producer import Producer
    from streams.reader.event_log import KafkaEventLog
    from streams.reader.outcome_log import KafkaOutcomeLog

    try:
        parts = bootstrap(settings)
    except (CatalogueError, BrandError) as error:
        raise CliError(str(error)) from error
    producer = Producer(kafka_connection(settings.kafka))
    await producer.start()

    try:
        yield ApiDeps(
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
            rate_limits=SharedRateLimits(parts.store),
            idempotency=RedisIdempotency(parts.store),
            stream_tickets=RedisStreamTickets(parts.store),
            ended_sessions=RedisEndedSessions(parts.store),
            events_topic=settings.kafka.events[0],
            bounces=parts.bounces(producer),
            explain=parts.explain(KafkaOutcomeLog(kafka_connection(settings.kafka), parts.topics.outcomes)),
            what_if=parts.what_if(KafkaEventLog(kafka_connection(settings.kafka), settings.kafka)),
            checks={"redis": partial(_redis_error, parts), "kafka": producer.not_ready_reason},
            stalls={"redis": parts.store.stalled_s},
        )
    finally:
        await producer.stop()
        await parts.store.close()
