"""Programs in other languages and environments: installed or compiled once, in a folder of the checkout."""

import asyncio
import os
import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.paths import ROOT

BUILDS = ROOT / ".tocsin" / "interop"
_NO_NETWORK = re.compile(
    r"ENOTFOUND|ECONNREFUSED|ETIMEDOUT|EAI_AGAIN|dial tcp|Could not transfer artifact|Network is unreachable"
    r"|dns error|error sending request"
)


async def run(*command: str, cwd: Path = ROOT, **variables: str) -> tuple[int, str]:
    """Run a command; return its exit code and output."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=cwd,
        env={**os.environ, **variables},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return process.returncode or 0, output.decode("utf-8", "replace")


def require(*tools: str) -> None:
    """Skip the test where a tool is missing."""
    for tool in tools:
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")


async def check(*command: str, cwd: Path, **variables: str) -> None:
    """Run a command without an error; skip the test where it cannot download what the lock file names."""
    code, output = await run(*command, cwd=cwd, **variables)
    if code and _NO_NETWORK.search(output):
        pytest.skip(f"{command[0]} cannot reach its registry")
    assert code == 0, output


async def built_environment(folder: str) -> Path:
    """Return a copy of a folder beside this module, with `venv`: the packages of its requirements.lock."""
    uv = (sys.executable, "-m", "uv")
    install = ("pip", "install", "--quiet", "--require-hashes", "-r", "requirements.lock", "--python", "venv")
    return await built(folder, (), (*uv, "venv", "--quiet", "--allow-existing", "venv"), (*uv, *install))


async def built(folder: str, tools: Sequence[str], *commands: Sequence[str]) -> Path:
    """Return a copy of a folder beside this module, with its program installed or compiled.

    Skip the test where a tool is missing, or cannot download what the lock file names.
    """
    require(*tools)
    copy = BUILDS / folder
    shutil.copytree(ROOT / "tests" / "interop" / folder, copy, dirs_exist_ok=True)
    for command in commands:
        await check(*command, cwd=copy)
    return copy
