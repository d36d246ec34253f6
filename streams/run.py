"""Runs a worker until it is told to stop."""

import gc
import logging
from typing import Any

import mode.loop

from service.bootstrap import Parts

log = logging.getLogger(__name__)

_YOUNG = 200_000  # objects between collections: batches make that many, nearly all freed by their counts


def run_worker(parts: Parts) -> None:
    """Run the stages that the settings name; returns after SIGTERM or Ctrl-C, when they have drained."""
    mode.loop.use("uvloop")
    import faust  # noqa: PLC0415 - the loop must be chosen first

    from streams.app import app_of  # noqa: PLC0415

    app = app_of(parts)
    gc.freeze()  # catalogue, templates and modules stay for good: no collection need look at them
    gc.set_threshold(_YOUNG, 20, 20)
    options: dict[str, Any] = {"loglevel": parts.settings.log_level, "redirect_stdouts": False, "quiet": True}
    worker = faust.Worker(app, override_logging=False, **options)
    worker.spinner = None  # it would write terminal codes into the log
    try:
        worker.execute_from_commandline()
    except SystemExit as end:
        if end.code and end.__context__ is not None:  # mode exits with 1 and tells nobody why
            log.error("the worker failed while it ended", exc_info=end.__context__)
        raise
