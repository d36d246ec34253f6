"""Runs a worker until it is told to stop."""

from typing import Any

import mode.loop

from service.bootstrap import Parts


def run_worker(parts: Parts) -> None:
    """Run the stages that the settings name; returns after SIGTERM or Ctrl-C, when they have drained."""
    mode.loop.use("uvloop")
    import faust  # noqa: PLC0415 - the loop must be chosen first

    from streams.app import app_of  # noqa: PLC0415

    app = app_of(parts)
    options: dict[str, Any] = {"loglevel": parts.settings.log_level, "redirect_stdouts": False, "quiet": True}
    faust.Worker(app, override_logging=False, **options).execute_from_commandline()
