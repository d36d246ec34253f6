"""The pages of the console, one file a page."""

from collections.abc import Sequence

from fastapi import APIRouter

from service.console import assets, sign_in
from service.console.routes import overview, search, what_if


def routers() -> Sequence[APIRouter]:
    """Return the routes of the console."""
    return (
        assets.router,
        sign_in.router,
        sign_in.session_router,
        *(module.router for module in (overview, search, what_if)),
    )
