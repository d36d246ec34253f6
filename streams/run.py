"""Running one worker process until it is stopped."""

import gc
from typing import Any

import mode.loop
import structlog

from service.bootstrap.parts import Parts

log = structlog.get_logger(__name__)

_GC_THRESHOLD = (
    200_000  # allocations between collections: batches make that many, nearly all freed by refcount
)


def run_worker(parts: Parts) -> None:
    """Run the stages that the settings name. Return after SIGTERM or Ctrl-C, when the stages have drained."""
    mode.loop.use("uvloop")
    import faust  # noqa: PLC0415 - the loop must be chosen first

    from streams.app import app_of  # noqa: PLC0415

    app = app_of(parts)
    gc.freeze()  # catalogue, templates and modules live as long as the process: keep them out of every collection
    gc.set_threshold(_GC_THRESHOLD, 20, 20)
    options: dict[str, Any] = {"loglevel": parts.settings.log_level, "redirect_stdouts": False, "quiet": True}
    worker = faust.Worker(app, override_logging=False, **options)
    worker.spinner = None  # it would write terminal codes into the log
    try:
        worker.execute_from_commandline()
    except SystemExit as end:
        if end.code and end.__context__ is not None:  # mode exits with 1 and does not log the cause
            log.error("worker_shutdown_failed", exc_info=end.__context__)
        raise
