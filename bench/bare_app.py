"""A route that does nothing: what any API on this server costs at least."""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route


async def counts(_: Request) -> JSONResponse:
    """An empty list of counts, as JSON:API has it."""
    return JSONResponse({"data": []}, media_type="application/vnd.api+json")


app = Starlette(routes=[Route("/counts", counts)])
