"""Two versions side by side: a rolling upgrade, and back. What either has written the other reads."""

import asyncio
import io
import subprocess
import tarfile
from pathlib import Path
from subprocess import Popen
from tempfile import TemporaryDirectory

from tests.chaos.environment import STAGES, World
from tests.chaos.scenario import Skipped
from tests.support.paths import ROOT

_FIRST = "Changelog of the first version"


def older(revision: str, folder: Path) -> str:
    """Unpack the code of a revision; its short name.

    Without one: the last tag before this commit, or else the commit that completed the first version. Raises Skipped
    where there is no such history.
    """
    revision = (
        revision
        or _git("describe", "--tags", "--abbrev=0", "HEAD^")
        or _git("log", "--format=%H", "--fixed-strings", "--grep", _FIRST, "-1")
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
    """What git prints; nothing when it fails, or is not there."""
    try:
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


async def rolling_upgrade(world: World) -> None:
    """Each version delivers what the other has resolved; then workers are replaced one by one, and back again."""
    with TemporaryDirectory(prefix="tocsin-older-") as folder:
        name = await asyncio.to_thread(older, world.older, Path(folder))
        world.note = f"beside {name}"
        before, now = Path(folder), ROOT
        async with world.flow():
            for resolves, delivers in ((before, now), (now, before)):
                await _each_its_part(world, resolves, delivers)
            first, second = _worker(world, before), _worker(world, before)
            for replacement in (now, before):
                await world.mailed(50)
                third = _worker(world, replacement)
                await _stop(first)
                await world.mailed(50)
                fourth = _worker(world, replacement)
                await world.kill(second)
                await world.mailed(50)
                first, second = third, fourth
            world.healed()
        await world.settled(world.published, 240)


async def _each_its_part(world: World, resolves: Path, delivers: Path) -> None:
    workers = [
        _worker(world, resolves, "resolve"),
        _worker(world, delivers, STAGES.removeprefix("resolve,")),
    ]
    await world.mailed(100)
    for worker in workers:
        await _stop(worker)


def _worker(world: World, home: Path, stages: str = STAGES) -> "Popen[bytes]":
    return world.line.start_worker(stages, home=home)


async def _stop(worker: "Popen[bytes]") -> None:
    worker.terminate()
    code = await asyncio.to_thread(worker.wait, 60)
    assert code == 0, f"{worker.args} ended with {code}"
