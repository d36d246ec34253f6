"""Application assembly: routes, middleware, error handlers and the OpenAPI document."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request, Response
from fastapi.routing import APIRoute
from starlette.routing import Match, Route
from starlette.types import Scope

from service.api import errors
from service.api.auth.passwords import Passwords
from service.api.auth.tokens import Tokens
from service.api.deps import ApiDeps, Authenticators
from service.api.hub import Hub
from service.api.methods import MethodTable
from service.api.middleware import ApiMiddleware
from service.api.reference import openapi, page
from service.api.routes import (
    bounces,
    contacts,
    events,
    explain,
    groups,
    health,
    inbox,
    inbox_stream,
    preferences,
    recipients,
    unsubscribe,
)
from service.bootstrap import unsubscribe_tokens
from service.settings import Settings

_ROUTE_MODULES = (
    inbox,
    inbox_stream,
    groups,
    contacts,
    preferences,
    recipients,
    events,
    explain,
    bounces,
    unsubscribe,
    health,
)


def create_app(deps: ApiDeps) -> FastAPI:
    """Return the API over these ports. Raise ValueError when the authentication settings are unsafe."""
    app = bare_app(deps.settings)
    app.state.deps = deps
    app.state.authenticators = Authenticators(
        Tokens(deps.settings), Passwords(deps.accounts), unsubscribe_tokens(deps.settings)
    )
    app.state.hub = Hub(deps.inbox_changes)
    return app


def bare_app(settings: Settings | None = None) -> FastAPI:
    """Return the routes and documents without any ports, which is enough to build the OpenAPI document."""
    app = FastAPI(
        title="Tocsin",
        version="1",
        docs_url=None,  # `reference.page` serves /docs: FastAPI's page loads a script from another host
        redoc_url=None,
        # ApiMiddleware records requests; FastAPI's own telemetry would add a cost to each of them
        telemetry={"tracing": False, "metrics": False, "logs": False},
        lifespan=_lifespan,
    )
    routers = [module.router for module in (*_ROUTE_MODULES, page)]
    for router in routers:
        app.include_router(router)
    routes = [
        (route.path, route.methods or ())
        for router in routers
        for route in router.routes
        if isinstance(route, APIRoute)
    ]
    # First in the list, so that it matches before the FastAPI route of the same path.
    app.router.routes.insert(0, _PlainRoute("/counts", inbox.counts))
    patch_types = {f"{recipients.PATH}/{{id}}": ", ".join(recipients.PATCH_TYPES)}
    methods = MethodTable([*routes, ("/openapi.json", {"GET"})], patch_types)
    app.add_middleware(
        ApiMiddleware,
        methods=methods,
        root_path=settings.http.root_path if settings else "",
        events_limit=settings.limits.events if settings else "",
        behind_proxy=settings is None or bool(settings.http.forwarded_allow_ips),
    )
    errors.install_handlers(app)
    app.openapi = lambda: openapi.document(app)  # type: ignore[method-assign]  # FastAPI's documented way
    return app


class _PlainRoute(Route):
    """A GET route without FastAPI's dependency machinery, which takes a third of the time of the most frequent request.

    The FastAPI route of the same path stays registered, for the OpenAPI document.
    """

    def __init__(self, path: str, endpoint: Callable[[Request], Awaitable[Response]]) -> None:
        super().__init__(path, endpoint)
        self.methods = {"GET"}

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Return Starlette's match, with the route in the scope as FastAPI puts it there for metrics."""
        match, child_scope = super().matches(scope)
        return match, {**child_scope, "route": self} if match is not Match.NONE else child_scope


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Close the live streams at shutdown, before the server waits for open connections."""
    yield
    await app.state.hub.close()
