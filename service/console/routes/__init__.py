"""The pages of the console, one file a page."""

from collections.abc import Sequence

from fastapi import APIRouter

from service.console import assets, sign_in
from service.console.routes import (
    dead_letters,
    deliveries,
    due_set,
    operations,
    overview,
    privacy,
    replays,
    search,
    suppressions,
    tail,
    what_if,
)

_PAGES = (
    overview,
    search,
    deliveries,
    due_set,
    tail,
    dead_letters,
    replays,
    suppressions,
    what_if,
    privacy,
    operations,
)


def routers() -> Sequence[APIRouter]:
    """Return the routes of the console."""
    return (
        assets.router,
        sign_in.router,
        sign_in.session_router,
        *(module.router for module in _PAGES),
    )
