"""The application: routes, refusals and documents put together."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request, Response
from starlette.routing import Match, Route
from starlette.types import Scope

from service.api import errors, openapi, reference
from service.api.auth.passwords import Passwords
from service.api.auth.tokens import Tokens
from service.api.deps import ApiDeps, Authenticators
from service.api.hub import Hub
from service.api.middleware import ApiMiddleware
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

_NOUNS = (
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
    """The API over these ports. Raises ValueError for settings that would let anybody in."""
    app = bare_app(deps.settings.http.root_path)
    app.state.deps = deps
    app.state.doors = Authenticators(
        Tokens(deps.settings), Passwords(deps.accounts), unsubscribe_tokens(deps.settings)
    )
    app.state.hub = Hub(deps.inbox_changes)
    return app


def bare_app(root_path: str = "") -> FastAPI:
    """Routes and documents without anything behind them: enough for the OpenAPI document."""
    app = FastAPI(
        title="Tocsin",
        version="1",
        docs_url=None,  # ours is in `reference`: FastAPI's loads a script from a host elsewhere
        redoc_url=None,
        # Wire has ours, and asking costs each request
        telemetry={"tracing": False, "metrics": False, "logs": False},
        lifespan=_lifespan,
    )
    for noun in _NOUNS:
        app.include_router(noun.router)
    app.include_router(reference.router)
    app.router.routes.insert(0, _Bare("/counts", inbox.counts))
    app.add_middleware(ApiMiddleware, root_path=root_path)
    errors.install(app)
    app.openapi = lambda: openapi.document(app)  # type: ignore[method-assign]  # FastAPI's documented way
    return app


class _Bare(Route):
    """A route past FastAPI's machinery, which is a third of what the hottest one costs. Its twin is in the document."""

    def __init__(self, path: str, endpoint: Callable[[Request], Awaitable[Response]]) -> None:
        super().__init__(path, endpoint)
        self.methods = {"GET"}

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """As Starlette does, and with the route noted, as FastAPI does."""
        match, child = super().matches(scope)
        return match, {**child, "route": self} if match is not Match.NONE else child


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Streams end before the server waits for them."""
    yield
    await app.state.hub.close()
