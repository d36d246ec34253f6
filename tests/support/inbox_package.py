"""The npm package in clients/inbox with its locked tools, for the tests that build it or need axe."""

import asyncio
import fcntl
import hashlib
import os
import re
import shutil
from pathlib import Path

import pytest

from tests.support.paths import ROOT

FOLDER = ROOT / "clients" / "inbox"
_MODULES = FOLDER / "node_modules"
_OLDEST_NODE = 20  # as package.json says
_NO_NETWORK = re.compile(r"ENOTFOUND|ECONNREFUSED|ETIMEDOUT|EAI_AGAIN|ENETUNREACH")


async def installed() -> Path:
    """Return the folder of the package with what its lock file names; skip where that cannot be installed."""
    for tool in ("node", "npm"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    _, version = await run("node", "--version")
    if int(version.strip().lstrip("v").partition(".")[0]) < _OLDEST_NODE:
        pytest.skip(f"node {version.strip()} is older than version {_OLDEST_NODE}")
    await asyncio.to_thread(_MODULES.mkdir, exist_ok=True)
    with (FOLDER / "node_modules.lock").open("w") as lock:
        await asyncio.to_thread(fcntl.flock, lock, fcntl.LOCK_EX)  # tests run in several processes
        wanted = hashlib.sha256((FOLDER / "package-lock.json").read_bytes()).hexdigest()
        marker = _MODULES / ".locked"
        if not marker.exists() or marker.read_text() != wanted:
            code, output = await run("npm", "ci", "--no-audit", "--no-fund")
            if code and _NO_NETWORK.search(output):
                pytest.skip("npm cannot reach its registry")
            assert code == 0, output
            marker.write_text(wanted)
    return FOLDER


async def run(*command: str, **variables: str) -> tuple[int, str]:
    """Run a command in the folder of the package; return its exit code and output."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=FOLDER,
        env={**os.environ, **variables},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return process.returncode or 0, output.decode("utf-8", "replace")
