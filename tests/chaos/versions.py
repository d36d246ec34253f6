"""Two versions side by side: a rolling upgrade, and back. Each must read the records and rows that the other writes.

The older version is unpacked from the git history into a folder, and its workers run there as `python -m service.cli
worker`. That entry point, the settings by environment and `/readyz` are all that the two versions must have in common;
modules may be at other paths.
"""

import asyncio
import io
import subprocess
import tarfile
from pathlib import Path
from subprocess import Popen
from tempfile import TemporaryDirectory
from typing import NamedTuple

from service.dev.ports import free_port
from tests.chaos.environment import STAGES, ChaosEnvironment
from tests.chaos.scenario import Skipped
from tests.support.paths import ROOT
from tests.support.readiness import wait_until_ready

_FIRST_VERSION = "The dispatch record says that a delivery is queued, and records take a tenth of the CPU"
"""The subject of the commit that began the present form of the data."""


class _Worker(NamedTuple):
    """A worker of one version, with the address of its readiness."""

    process: "Popen[bytes]"
    readyz: str


def unpack_older(revision: str, folder: Path) -> str:
    """Unpack the code of a revision into a folder; return its short name.

    An empty revision means the last tag before this commit, or without a tag the first version that has the present
    form of the data. Raise Skipped where the history has neither.
    """
    revision = (
        revision
        or _git("describe", "--tags", "--abbrev=0", "HEAD^")
        or _git("log", "--format=%H", "--fixed-strings", "--grep", _FIRST_VERSION, "-1")
    )
    name = _git("rev-parse", "--short", f"{revision}^{{commit}}") if revision else ""
    if not name:
        raise Skipped("no older version in this checkout's history")
    archive = subprocess.run(
        ["git", "archive", name, "service", "streams", "templates"], cwd=ROOT, check=True, capture_output=True
    )
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as packed:
        packed.extractall(folder, filter="data")
    return name


def _git(*arguments: str) -> str:
    """Return the output of a git command; an empty string when it fails, or git is not installed."""
    try:
        run = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return run.stdout.strip() if run.returncode == 0 else ""


async def rolling_upgrade(environment: ChaosEnvironment) -> None:
    """Let each version deliver what the other has resolved; then replace the workers one by one, and back again."""
    with TemporaryDirectory(prefix="tocsin-older-") as folder:
        name = await asyncio.to_thread(unpack_older, environment.older_revision, Path(folder))
        environment.note = f"beside {name}"
        older, current = Path(folder), ROOT
        async with environment.continuous_load():
            for resolver, deliverer in ((older, current), (current, older)):
                await _share_stages(environment, resolver, deliverer)
            first, second = _start(environment, older), _start(environment, older)
            for replacement in (current, older):
                await environment.wait_for_mail(50)
                third = _start(environment, replacement)
                await _stop(first)
                await environment.wait_for_mail(50)
                fourth = _start(environment, replacement)
                await environment.kill(second.process)
                await environment.wait_for_mail(50)
                first, second = third, fourth
            environment.end_fault()
        await environment.wait_until_settled(environment.published, 240)


async def _share_stages(environment: ChaosEnvironment, resolver: Path, deliverer: Path) -> None:
    """Run stage resolve from one checkout and the other stages from another, until messages have arrived."""
    workers = [
        _start(environment, resolver, "resolve"),
        _start(environment, deliverer, STAGES.removeprefix("resolve,")),
    ]
    await environment.wait_for_mail(100)
    for worker in workers:
        await _stop(worker)


def _start(environment: ChaosEnvironment, checkout: Path, stages: str = STAGES) -> _Worker:
    port = free_port()
    variables = {"TOCSIN_WORKER__METRICS_PORT": str(port)}
    process = environment.pipeline.start_worker(stages, home=checkout, **variables)  # type: ignore[arg-type]
    return _Worker(process, f"http://127.0.0.1:{port}/readyz")


async def _stop(worker: _Worker) -> None:
    # Only a worker that is ready drains on SIGTERM. Another worker, or a backlog, may have been faster than its start.
    await wait_until_ready(worker.readyz)
    worker.process.terminate()
    code = await asyncio.to_thread(worker.process.wait, 60)
    assert code == 0, f"{worker.process.args!r} ended with {code}"
