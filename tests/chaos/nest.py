"""Workers that start in a moment: forked from a process that has loaded everything.

A worker of its own costs two seconds to import and two to render every template once; that would leave no time for
hundreds of kills. What is forked runs the same `run_worker`, with the settings of its own environment. For the same
reason all that waits for the dead is shorter: a session 1.5 s, not 10; a pulse 3 s, not 8; a drain 1 s, not 20.
"""

import asyncio
import json
import os
import signal
import sys
import traceback
from asyncio.subprocess import PIPE
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.paths import ROOT
from tests.support.real_pipeline import RealPipeline

_SESSION_SECONDS = 1.5
_PULSE_SECONDS = 3.0
_DRAIN_SECONDS = 1
_GRACE = 20.0


class Forked:
    """A worker that was hatched; the nest reaps it."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    @property
    def alive(self) -> bool:
        return Path(f"/proc/{self.pid}").exists()

    def kill(self) -> None:
        """SIGKILL."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> None:
        """The kernel does that: the nest ignores the death of its children."""


class Nest:
    """`async with Nest(line) as nest: worker = await nest.hatch()`. Who is left dies with it."""

    def __init__(self, line: RealPipeline) -> None:
        self._line = line

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.chaos.nest", cwd=ROOT, env=self._line.environment(), stdin=PIPE, stdout=PIPE
        )  # fmt: skip
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        await self._process.wait()

    async def hatch(self, stages: str) -> Forked:
        """A worker, started."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        variables = {
            "TOCSIN_WORKER__METRICS_PORT": "0",
            "TOCSIN_WORKER__DRAIN": str(_DRAIN_SECONDS),
            "TOCSIN_WORKER__STAGES": json.dumps(stages.split(",")),
        }
        self._process.stdin.write(json.dumps(variables).encode() + b"\n")
        async with asyncio.timeout(_GRACE + 40):
            return Forked(int(await self._process.stdout.readline()))


def main() -> None:
    """Load, then fork a worker for each line of variables on stdin, and print its process id."""
    import mode.loop

    mode.loop.use("uvloop")
    import streams.app
    import streams.run
    import streams.worker.stage_table
    from service.bootstrap import bootstrap
    from service.settings import load
    from streams.consumer.limits import StageLimits
    from streams.worker.heartbeat import Heartbeat

    Heartbeat.TTL_S, Heartbeat._EVERY_S = _PULSE_SECONDS, _PULSE_SECONDS / 6
    streams.worker.stage_table.StageLimits = partial(StageLimits, session_timeout_s=_SESSION_SECONDS)  # type: ignore[assignment]
    bootstrap(load()).renderer.check()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with open(0, "rb", buffering=0) as orders:  # a fork must not inherit what was read ahead
        while order := orders.readline():
            if (pid := os.fork()) == 0:
                _be_a_worker(json.loads(order))
            print(pid, flush=True)


def _be_a_worker(variables: dict[str, str]) -> None:
    import ctypes

    from service.bootstrap import bootstrap
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
