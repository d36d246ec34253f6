"""Running one worker process until it is stopped."""

import gc

import structlog

from service.bootstrap.parts import Parts
from streams.app import asyncio_services, faust_app

log = structlog.get_logger(__name__)

_GC_THRESHOLD = (
    200_000  # allocations between collections: batches make that many, nearly all freed by refcount
)


def run_worker(parts: Parts) -> None:
    """Run the stages that the settings name. Return after SIGTERM or Ctrl-C, when the stages have drained.

    Raise SystemExit 1 when a service has failed.
    """
    if parts.settings.worker.shell == "asyncio":
        from streams.shells.asyncio_shell import run_on_asyncio  # noqa: PLC0415 - one of the two

        services = asyncio_services(parts)
        _set_collections()
        run_on_asyncio(services)
        return
    from streams.shells.faust_app import choose_loop, run_app  # noqa: PLC0415 - one of the two

    choose_loop()
    app = faust_app(parts)
    _set_collections()
    try:
        run_app(app, parts.settings.log_level)
    except SystemExit as end:
        if end.code and end.__context__ is not None:  # mode exits with 1 and does not log the cause
            log.error("worker_shutdown_failed", exc_info=end.__context__)
        raise


def _set_collections() -> None:
    """Keep the catalogue, templates and modules, which live as long as the process, out of every collection."""
    gc.freeze()
    gc.set_threshold(_GC_THRESHOLD, 20, 20)
