"""Workers that start at once: forked from a process that has loaded everything.

A worker started as its own process spends two seconds on imports and two on rendering every template once, which would
leave no time for hundreds of kills. A forked worker runs the same `run_worker`, with the settings of its own
environment. For the same reason the times after which a dead worker is replaced are shorter: a session timeout of
1.5 s instead of 10 s, a heartbeat TTL of 3 s instead of 8 s, a drain timeout of 1 s instead of 20 s.
"""

import asyncio
import json
import os
import signal
import sys
import traceback
from asyncio.subprocess import PIPE
from contextlib import suppress
from dataclasses import fields
from functools import partial
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.chaos.patches import Replace, replace_attribute
from tests.support.paths import ROOT
from tests.support.real_pipeline import RealPipeline

SESSION_TIMEOUT_S = 1.5
HEARTBEAT_TTL_S = 3.0
_DRAIN_S = 1
_FORK_TIMEOUT_S = 60.0


class ForkedWorker:
    """A worker process that the fork server has started, and reaps."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    @property
    def running(self) -> bool:
        return Path(f"/proc/{self.pid}").exists()

    def kill(self) -> None:
        """Send SIGKILL."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> None:
        """Return at once: the kernel reaps the process, since the fork server ignores SIGCHLD."""


class WorkerForkServer:
    """The process that workers are forked from. Those that still run are killed with it, at the end of the context."""

    def __init__(self, pipeline: RealPipeline) -> None:
        self._pipeline = pipeline
        self._forking = asyncio.Lock()

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.chaos.fork_server"),
            cwd=ROOT,
            env=self._pipeline.environment(),
            stdin=PIPE,
            stdout=PIPE,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()

    async def fork(self, stages: str, **more: str) -> ForkedWorker:
        """Start a worker with these stages, and with more variables.

        Raise AssertionError when the fork server has ended.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        variables = {
            "TOCSIN_WORKER__METRICS_PORT": "0",
            "TOCSIN_WORKER__DRAIN": str(_DRAIN_S),
            "TOCSIN_WORKER__STAGES": json.dumps(stages.split(",")),
            **more,
        }
        async with self._forking, asyncio.timeout(_FORK_TIMEOUT_S):
            self._process.stdin.write(json.dumps(variables).encode() + b"\n")
            pid = await self._process.stdout.readline()
        assert pid, "the fork server has ended; its error is on stderr"
        return ForkedWorker(int(pid))


def shorten_timeouts(replace: Replace = replace_attribute) -> None:
    """Replace the session timeout of every stage, and TTL and interval of the heartbeat.

    Raise AttributeError or AssertionError when the product does not have one of them under the name used here.
    """
    from service.pipeline.email.in_flight import InFlight
    from streams.consumer.limits import StageLimits
    from streams.worker import stage_table
    from streams.worker.heartbeat import Heartbeat

    replace(InFlight, "TTL_S", HEARTBEAT_TTL_S)
    replace(Heartbeat, "_EVERY_S", HEARTBEAT_TTL_S / 6)
    assert "session_timeout_s" in {field.name for field in fields(StageLimits)}
    replace(stage_table, "StageLimits", partial(StageLimits, session_timeout_s=SESSION_TIMEOUT_S))


def main() -> None:
    """Load, then fork a worker for each line of variables on stdin, and print its process id."""
    for module in ("streams.run", "streams.shells.faust_app"):
        import_module(module)  # before the fork, so that no worker spends time on imports
    from service.bootstrap.parts import bootstrap
    from service.settings import load

    shorten_timeouts()
    bootstrap(load()).renderer.check()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with open(0, "rb", buffering=0) as lines:  # a buffer would be inherited by the fork, and read twice
        while line := lines.readline():
            if (pid := os.fork()) == 0:
                _run_worker(json.loads(line))
            print(pid, flush=True)


def _run_worker(variables: dict[str, str]) -> None:
    import ctypes

    from service.bootstrap.parts import bootstrap
    from service.dev.die_with_parent import PR_SET_PDEATHSIG
    from service.observability.logs import configure
    from service.settings import load
    from streams.run import run_worker

    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    os.environ.update(variables)
    settings = load()
    configure(settings.log_level, settings.log_format)
    try:
        run_worker(bootstrap(settings))
    except BaseException:
        traceback.print_exc()
        raise
    finally:
        os._exit(1)


if __name__ == "__main__":
    main()
