"""The HTTP server of probes and metrics, which runs beside the work of a process and installs no signal handlers."""

import uvicorn
from starlette.applications import Starlette


def observability_server(app: Starlette, host: str = "127.0.0.1", port: int = 0) -> uvicorn.Server:
    """Return a server of an application. Call `startup`, run `main_loop` as a task; at the end `shutdown`."""
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        http="h11",  # it has a limit on the size of a request's head; httptools has none
        ws="none",
        log_config=None,
        access_log=False,
        lifespan="off",
    )
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    return server
