"""`tocsin api`: serve the HTTP API."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from service.cli.support.output import CliError

if TYPE_CHECKING:
    from fastapi import APIRouter, FastAPI

    from service.api.deps import ApiDeps
    from service.settings import Settings

app = typer.Typer(add_completion=False)


@app.command()
def api() -> None:
    """Serve the HTTP API: inboxes, groups, contacts, preferences, recipients, events. SIGTERM stops it.

    SIGHUP loads catalogue, brands and templates again. Metrics are on a port of their own: TOCSIN_HTTP__METRICS_PORT.
    """
    import uvloop

    from service.bootstrap.reload import ignore_hangups
    from service.observability.logs import configure
    from service.settings import load

    ignore_hangups()
    settings = load()
    configure(settings.log_level, settings.log_format)
    uvloop.run(_serve(settings))


async def _serve(settings: "Settings") -> None:
    import structlog

    from service.api.app import create_app
    from service.api.auth.tokens import Tokens
    from service.api.metrics_server import MetricsServer
    from service.api.server import ApiServer, collect_less_garbage
    from service.bootstrap.parts import Parts, connections
    from service.bootstrap.reload import Reloader, reloading
    from service.cli.support.api_deps import api_assembly

    try:
        Tokens(settings)  # before any connection: wrong settings must not look like an outage
        console = _console_routes(settings)
    except ValueError as error:
        raise CliError(str(error)) from error
    async with api_assembly(settings) as assembly:
        deps = assembly.deps(assembly.current.parts)
        application = create_app(deps, *_start_page(settings), *console)
        if console:
            _add_console(application, deps)

        def renew(parts: Parts) -> None:
            application.state.deps = assembly.deps(parts)
            if console:
                _renew_console(application, application.state.deps)

        collect_less_garbage()
        log = structlog.get_logger(__name__)
        log.info("api_started", host=settings.http.host, port=settings.http.port, **connections(settings))
        metrics = MetricsServer(settings.http.metrics_host, settings.http.metrics_port, deps.observer)
        await metrics.start()
        try:
            async with reloading(Reloader(assembly.current, renew, renders=False)):
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


def _renew_console(application: "FastAPI", deps: "ApiDeps") -> None:
    from service.console.state import add_console, renewed_console

    add_console(application, renewed_console(application.state.console, deps))
