"""Application assembly: routes, middleware, error handlers and the OpenAPI document."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI
from fastapi.middleware.asyncexitstack import AsyncExitStackMiddleware
from fastapi.routing import APIRoute

from service.api.auth.passwords import Passwords
from service.api.auth.tokens import Tokens
from service.api.deps import ApiDeps, Authenticators
from service.api.hub import Hub
from service.api.methods import MethodTable
from service.api.middleware import ApiMiddleware
from service.api.outcome_streams import OutcomeStreams
from service.api.reference import openapi, page
from service.api.routes import (
    bounces,
    contacts,
    events,
    explain,
    groups,
    health,
    inbox,
    inbox_preferences,
    inbox_script,
    inbox_stream,
    preferences,
    preferences_page,
    recipients,
    tokens,
    unsubscribe,
)
from service.api.routes.operate import (
    dead_letters,
    deliveries,
    due_set,
    event_list,
    keys,
    operations,
    outcomes,
    suppressions,
    workers,
)
from service.bootstrap.mail_links import preference_tokens, unsubscribe_tokens
from service.settings import Settings

_ROUTE_MODULES = (
    inbox,
    inbox_stream,
    inbox_preferences,
    inbox_script,
    tokens,
    groups,
    contacts,
    preferences,
    recipients,
    events,
    event_list,
    explain,
    deliveries,
    outcomes,
    due_set,
    dead_letters,
    operations,
    suppressions,
    keys,
    workers,
    bounces,
    unsubscribe,
    preferences_page,
    health,
)
_PLAIN = (inbox.counts, inbox.notifications)


def create_app(deps: ApiDeps, *further: APIRouter) -> FastAPI:
    """Return the API over these ports, with further routes. Raise ValueError for unsafe authentication settings."""
    app = bare_app(deps.settings, *further)
    app.state.deps = deps
    app.state.authenticators = Authenticators(
        Tokens(deps.settings),
        Passwords(deps.accounts),
        unsubscribe_tokens(deps.settings),
        preference_tokens(deps.settings),
    )
    app.state.hub = Hub(deps.inbox_changes)
    if deps.operate is not None:
        app.state.outcome_streams = OutcomeStreams(deps.operate.log)
    return app


def bare_app(settings: Settings | None = None, *further: APIRouter) -> FastAPI:
    """Return the routes and documents without any ports, which is enough to build the OpenAPI document."""
    app = FastAPI(
        title="Tocsin",
        version="1",
        servers=[{"url": settings.http.root_path or "/" if settings else "/"}],
        docs_url=None,  # `reference.page` serves /docs: FastAPI's page loads a script from another host
        redoc_url=None,
        # ApiMiddleware records requests; FastAPI's own telemetry would add a cost to each of them
        telemetry={"tracing": False, "metrics": False, "logs": False},
        lifespan=_lifespan,
    )
    routers = [*(module.router for module in (*_ROUTE_MODULES, page)), *further]
    for router in routers:
        app.include_router(router)
    routes = [route for router in routers for route in router.routes if isinstance(route, APIRoute)]
    patch_types = {f"{recipients.PATH}/{{id}}": ", ".join(recipients.PATCH_TYPES)}
    methods = MethodTable(
        [*((route.path, route.methods or ()) for route in routes), ("/openapi.json", {"GET"})], patch_types
    )
    # Instead of FastAPI's own layers around the routes: ApiMiddleware renders every error, and limits the body.
    app.middleware_stack = ApiMiddleware(
        AsyncExitStackMiddleware(app.router),
        plain={("GET", route.path): route for route in routes if route.endpoint in _PLAIN},
        methods=methods,
        root_path=settings.http.root_path if settings else "",
        events_limit=settings.limits.events if settings else "",
        cors_origins=settings.cors_origins if settings else "",
        behind_proxy=settings is None or bool(settings.http.forwarded_allow_ips),
    )
    app.openapi = lambda: openapi.document(app)  # type: ignore[method-assign]  # FastAPI's documented way
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Close the live streams at shutdown, before the server waits for open connections."""
    yield
    await app.state.hub.close()
    if (streams := getattr(app.state, "outcome_streams", None)) is not None:
        streams.close()
