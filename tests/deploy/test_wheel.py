"""The wheel in an empty environment of each Python of this machine: `tocsin dev --once` delivers the sample events."""

import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from email.parser import Parser
from pathlib import Path

import pytest

from service.dev.ports import free_port
from service.settings import DevSettings
from tests.support.environment import inherited_environment, port_variables
from tests.support.paths import ROOT

pytestmark = [pytest.mark.deployment, pytest.mark.timeout(900)]
_VERSIONS = range(11, 15)


def interpreters() -> dict[str, Path]:
    """Return the Pythons of this machine by version, those of the PATH and of pyenv."""
    found: dict[str, Path] = {}
    for minor in _VERSIONS:
        for path in _candidates(f"3.{minor}"):
            probe = subprocess.run(
                [path, "-c", "import sys, venv, ensurepip; print(*sys.version_info[:2], sep='.')"],
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            if probe.returncode == 0 and probe.stdout.strip() == f"3.{minor}":
                found[f"3.{minor}"] = path
                break
    return found


def _candidates(version: str) -> Iterator[Path]:
    if sys.version_info[:2] == tuple(map(int, version.split("."))):
        yield Path(sys.executable).resolve()
    for folder in os.environ["PATH"].split(os.pathsep):
        if (path := Path(folder) / f"python{version}").exists():
            yield path
    yield from sorted((Path.home() / ".pyenv" / "versions").glob(f"{version}.*/bin/python"))


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with wheel and source archive, as `make dist` builds them."""
    folder = tmp_path_factory.mktemp("dist")
    uv = Path(sys.executable).with_name("uv")
    subprocess.run([uv, "build", "--quiet", "--out-dir", folder, ROOT], check=True)
    return folder


def test_the_metadata_are_complete(packages: Path) -> None:
    """Licence, authors, keywords, classifiers of every version that is supported, and addresses of one place."""
    (wheel,) = packages.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        about = Parser().parsestr(archive.read(name).decode())

    assert about["License-Expression"] == "Apache-2.0"
    assert about["Author"]
    assert about["Keywords"]
    assert about["Description-Content-Type"] == "text/markdown"
    assert {f"Programming Language :: Python :: 3.{minor}" for minor in _VERSIONS} <= {
        *about.get_all("Classifier", ())
    }
    urls = dict(line.split(", ") for line in about.get_all("Project-URL", ()))
    assert urls.keys() >= {"Homepage", "Documentation", "Changelog", "Source", "Issues"}


def test_the_source_archive_has_what_a_build_needs(packages: Path) -> None:
    """It has the templates and the documents that the wheel takes in, and no other's files."""
    (archive,) = packages.glob("*.tar.gz")
    with tarfile.open(archive) as files:
        names = {name.partition("/")[2] for name in files.getnames()}

    assert {
        "pyproject.toml",
        ".ci/metadata_hook.py",
        "templates/overbid/en.j2",
        "docs/events/asyncapi.json",
    } <= names
    assert not {name for name in names if "node_modules" in name or name.startswith((".venv", "build/"))}


@pytest.mark.parametrize("version", [f"3.{minor}" for minor in _VERSIONS])
def test_the_wheel_delivers(version: str, packages: Path, tmp_path: Path) -> None:
    """pip installs it and nothing else; the embedded servers come at the first start."""
    python = interpreters().get(version)
    if python is None:
        pytest.skip(f"this machine has no Python {version}")
    (wheel,) = packages.glob("*.whl")
    subprocess.run([python, "-m", "venv", tmp_path / "empty"], check=True)
    bin_ = tmp_path / "empty" / "bin"
    locked = ("--constraint", _constraints(tmp_path))
    subprocess.run(
        [bin_ / "pip", "install", "--quiet", "--disable-pip-version-check", wheel, *locked], check=True
    )
    dev = DevSettings(**{name: free_port() for name in DevSettings.model_fields})

    result = subprocess.run(
        [bin_ / "tocsin", "dev", "--once"],
        cwd=tmp_path,
        env=inherited_environment() | port_variables(dev) | {"TOCSIN_HTTP__METRICS_PORT": "0"},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )

    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    assert "delivered" in result.stdout
    assert "sent" in result.stdout


def _constraints(folder: Path) -> Path:
    """Return the locked versions without their hashes, which pip would then require of the wheel too."""
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    file = folder / "constraints.txt"
    file.write_text(
        "\n".join(line.removesuffix(" \\") for line in lines if "==" in line and line[0] not in " #")
    )
    return file
