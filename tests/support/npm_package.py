"""The npm packages in clients, each with its locked tools, for the tests that build them."""

import asyncio
import fcntl
import hashlib
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import orjson
import pytest

_OLDEST_NODE = 20  # as each package.json says
_NO_NETWORK = re.compile(r"ENOTFOUND|ECONNREFUSED|ETIMEDOUT|EAI_AGAIN|ENETUNREACH")


@dataclass(frozen=True)
class NpmPackage:
    """A package in a folder of the checkout."""

    folder: Path

    async def install(self) -> None:
        """Install what the lock file names; skip the test where that is not possible."""
        for tool in ("node", "npm"):
            if shutil.which(tool) is None:
                pytest.skip(f"{tool} is not installed")
        _, version = await self.run("node", "--version")
        if int(version.strip().lstrip("v").partition(".")[0]) < _OLDEST_NODE:
            pytest.skip(f"node {version.strip()} is older than version {_OLDEST_NODE}")
        modules = self.folder / "node_modules"
        await asyncio.to_thread(modules.mkdir, exist_ok=True)
        with (self.folder / "node_modules.lock").open("w") as lock:
            await asyncio.to_thread(fcntl.flock, lock, fcntl.LOCK_EX)  # tests run in several processes
            wanted = hashlib.sha256((self.folder / "package-lock.json").read_bytes()).hexdigest()
            marker = modules / ".locked"
            if not marker.exists() or marker.read_text() != wanted:
                code, output = await self.run("npm", "ci", "--no-audit", "--no-fund")
                if code and _NO_NETWORK.search(output):
                    pytest.skip("npm cannot reach its registry")
                assert code == 0, output
                marker.write_text(wanted)

    async def run(self, *command: str, **variables: str) -> tuple[int, str]:
        """Run a command in the folder of the package; return its exit code and output."""
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=self.folder,
            env={**os.environ, **variables},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
        return process.returncode or 0, output.decode("utf-8", "replace")

    def check_lock_file(self) -> None:
        """Every package is pinned with its hash; nothing says where it comes from, and nothing runs on install."""
        packages = orjson.loads((self.folder / "package-lock.json").read_bytes())["packages"]
        del packages[""]
        assert all("integrity" in package and "resolved" not in package for package in packages.values())
        assert "ignore-scripts=true" in (self.folder / ".npmrc").read_text()
