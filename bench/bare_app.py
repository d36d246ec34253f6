"""A route that does nothing, served as `tocsin api` is served: the least that any API costs."""

import sys

import uvicorn
import uvloop
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route


async def counts(_: Request) -> JSONResponse:
    """Return an empty list of counts in JSON:API."""
    return JSONResponse({"data": []}, media_type="application/vnd.api+json")


app = Starlette(routes=[Route("/counts", counts)])


def main() -> None:
    """Serve until SIGTERM on the port of the first argument."""
    config = uvicorn.Config(
        app, port=int(sys.argv[1]), http="httptools", log_config=None, access_log=False, server_header=False
    )
    uvloop.run(uvicorn.Server(config).serve())


if __name__ == "__main__":
    main()
