"""The assembled image, unpacked and run with a read-only root, without privileges: it serves and delivers.

`make image` makes it and sets TOCSIN_TEST_IMAGE to its folder.
"""

import asyncio
import json
import os
import re
import secrets
import subprocess
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.dev.ports import free_port
from tests.support.container_limits import can_unshare
from tests.support.paths import ROOT
from tests.support.real_pipeline import RealPipeline
from tests.support.wait import eventually

LAYOUT = Path(os.environ.get("TOCSIN_TEST_IMAGE", ""))
pytestmark = [
    pytest.mark.skipif(
        not (ROOT / LAYOUT / "oci-layout").is_file(), reason="`make image` makes and tests the image"
    ),
    pytest.mark.skipif(not can_unshare(), reason="no mount namespace can be made here"),
]
START = """
mount --bind "$1" "$1"
mount --options remount,bind,ro "$1"
mount --types tmpfs --options mode=1777,noexec,nosuid,nodev tmpfs "$1/tmp"
mount --types proc proc "$1/proc"
mount --rbind /dev "$1/dev"
exec chroot "$1" /usr/bin/setpriv --reuid="$2" --regid="$2" --clear-groups --bounding-set=-all --inh-caps=-all \
    --no-new-privs -- "${@:3}"
"""


def blob(description: Mapping[str, Any]) -> Path:
    return ROOT / LAYOUT / "blobs" / description["digest"].replace(":", "/")


class Image:
    """An unpacked image."""

    def __init__(self, folder: Path) -> None:
        (described,) = json.loads((ROOT / LAYOUT / "index.json").read_text())["manifests"]
        manifest = json.loads(blob(described).read_text())
        self.config: dict[str, Any] = json.loads(blob(manifest["config"]).read_text())["config"]
        self.folder = folder
        for layer in manifest["layers"]:
            with tarfile.open(blob(layer)) as archive:
                archive.extractall(folder, filter="tar")

    def command(self, *arguments: str) -> list[str]:
        """Return the command line that runs a program in the image, confined as the deployment files do."""
        return ["unshare", "--mount", "--propagation", "private", "bash", "-euc", START, "bash", str(self.folder),
                self.config["User"], *arguments]  # fmt: skip

    def environment(self, variables: Mapping[str, str]) -> dict[str, str]:
        """Return the variables of the image and those of Tocsin among these, and no others."""
        own = dict(entry.split("=", 1) for entry in self.config["Env"])
        return own | {name: text for name, text in variables.items() if name.startswith("TOCSIN_")}

    def output(self, *arguments: str) -> str:
        ran = subprocess.run(
            self.command(*arguments), env=self.environment({}), capture_output=True, text=True, check=False
        )
        return ran.stdout + ran.stderr


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    folder = tmp_path_factory.mktemp("image")
    yield Image(folder)
    subprocess.run(["rm", "-rf", str(folder)], check=True)


def test_it_says_what_it_is(image: Image) -> None:
    """A user by number, the command, and labels with version, revision and licence."""
    labels = {name.rpartition(".")[2]: text for name, text in image.config["Labels"].items()}
    (version,) = re.findall(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)

    assert (image.config["User"], image.config["Entrypoint"]) == ("10001", ["tocsin"])
    assert (labels["version"], labels["licenses"]) == (version, "Apache-2.0")
    assert re.fullmatch(r"[0-9a-f]{40}", labels["revision"])


def test_it_has_a_recent_python_and_nothing_to_install_with(image: Image) -> None:
    """Python 3.13 or newer; no pip, no apt, no compiler; no file may be written but in /tmp."""
    major, minor = image.output("python3", "-c", "import sys; print(*sys.version_info[:2])").split()
    assert (int(major), int(minor)) >= (3, 13)
    assert "No module named pip" in image.output("python3", "-m", "pip")
    for program in ("apt-get", "gcc", "curl"):
        assert not list(image.folder.glob(f"usr/*bin/{program}"))
    assert "Read-only file system" in image.output("touch", "/opt/tocsin/x")


def test_its_bill_of_materials_has_every_locked_package(image: Image) -> None:
    """Each package of the lock file in its locked version, but those for other systems or Pythons."""
    parts = json.loads((image.folder / "opt/tocsin/sbom.cdx.json").read_text())["components"]
    lock = (ROOT / "requirements.lock").read_text()
    locked = {*re.findall(r"^([a-z0-9-]+)(?:\[\w+\])?==(\S+) \\$", lock, re.MULTILINE)}
    python = {(part["name"], part["version"]) for part in parts if part["purl"].startswith("pkg:pypi/")}

    assert len(locked) > 50
    assert locked <= python
    assert {"python3.13", "libc6", "ca-certificates"} <= {part["name"] for part in parts}


async def test_api_and_worker_run_in_it(image: Image) -> None:
    """Both become ready, and an event is delivered by mail and to the inbox."""
    metrics, http = free_port(), free_port()
    async with RealPipeline(partitions=1) as pipeline:
        variables = pipeline.environment(
            TOCSIN_WORKER__METRICS_PORT=str(metrics),
            TOCSIN_HTTP__PORT=str(http),
            TOCSIN_AUTH__SECRET=secrets.token_hex(32),
            TOCSIN_MAIL__SECRETS=json.dumps([secrets.token_hex(16)]),
        )
        started = [
            subprocess.Popen(image.command("tocsin", *command), env=image.environment(variables), cwd="/")
            for command in (["api"], ["worker"])
        ]
        pipeline.workers += started
        async with httpx.AsyncClient() as client:
            for port in (metrics, http):
                await eventually(lambda port=port: _is_ready(client, port), 60)
        data = {"id": "1", "source": "/image", "type": "overbid", "recipients": ["alice"]}
        await pipeline.publish(data | {"data": {"lot_id": "1"}})
        states = {entry.state.value for entry in await pipeline.wait_until_finished("/image", "1")}
        assert states == {"sent", "delivered"}
        for process in started:
            process.terminate()
        await asyncio.gather(*(asyncio.to_thread(process.wait, 60) for process in started))


async def _is_ready(client: httpx.AsyncClient, port: int) -> bool:
    try:
        return (await client.get(f"http://127.0.0.1:{port}/readyz")).status_code == 200
    except httpx.TransportError:
        return False
