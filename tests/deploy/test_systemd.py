"""The systemd units: accepted and confined by systemd's own judgement, and named by the code."""

import re
import shutil
import subprocess
from configparser import RawConfigParser
from pathlib import Path

import pytest

from service.settings import WorkerSettings
from streams.worker.stage_table import STAGES
from tests.support.paths import ROOT

FOLDER = ROOT / "ops" / "systemd"
SERVICES = sorted(FOLDER.glob("*.service"))
EXPOSURE = 15
"""In tenths, as systemd counts: 1.1 is reached; without a network or with a list of addresses it would be less."""
needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None,
    reason="systemd-analyze is not installed (Debian: the package systemd)",
)


class _Unit(RawConfigParser):
    """A unit as sections; of a key that stands several times, all values, one a line."""

    def __init__(self, file: Path) -> None:
        super().__init__(strict=False, delimiters=["="], comment_prefixes=["#"])
        lines: dict[tuple[str, str], list[str]] = {}
        section = ""
        for line in file.read_text().splitlines():
            if line.startswith("["):
                section = line.strip("[]")
            elif "=" in line and not line.startswith("#"):
                key, _, value = line.partition("=")
                lines.setdefault((section, key), []).append(value)
        for (name, key), values in lines.items():
            if not self.has_section(name):
                self.add_section(name)
            self.set(name, key, "\n".join(values))

    def values(self, key: str, section: str = "Service") -> list[str]:
        return self.get(section, key, fallback="").splitlines()


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """Return a folder with the units, whose program is one that exists."""
    for unit in [*SERVICES, *FOLDER.glob("*.target")]:
        (tmp_path / unit.name).write_text(unit.read_text().replace("/opt/tocsin/bin/tocsin", "/bin/true"))
    return tmp_path


def analyze(*arguments: str | Path) -> None:
    ran = subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert not ran.stderr, ran.stderr  # an unknown key is only a warning


@needs_systemd
def test_systemd_accepts_every_unit(installed: Path) -> None:
    """No unknown key, no unit that is missing, no program that does not exist."""
    analyze("verify", *sorted(installed.iterdir()))


@needs_systemd
@pytest.mark.parametrize("unit", SERVICES, ids=lambda path: path.name)
def test_every_service_is_confined(unit: Path, installed: Path) -> None:
    """`systemd-analyze security` rates its exposure as small."""
    analyze("security", "--offline=yes", f"--threshold={EXPOSURE}", installed / unit.name)


@pytest.mark.parametrize("file", SERVICES, ids=lambda path: path.name)
def test_every_service_has_settings_and_secrets_and_no_privilege(file: Path) -> None:
    """Settings are in a file, secrets are handed over by systemd under the names of settings, none is root."""
    unit = _Unit(file)

    assert unit.values("User") == ["tocsin"]
    assert "/etc/tocsin/tocsin.env" in unit.values("EnvironmentFile")
    assert unit.values("LoadCredential") == [
        "TOCSIN:/etc/tocsin/secrets"
    ]  # AUTH__SECRET is TOCSIN_AUTH__SECRET
    assert "TOCSIN_SECRETS_DIR=%d" in unit.values("Environment")
    assert unit.values("MemoryDenyWriteExecute") == ["yes"]  # tests/e2e/test_container_limits.py runs them so
    assert unit.values("CapabilityBoundingSet") == []
    assert unit.values("StartLimitIntervalSec", "Unit") == ["0"]  # however long Kafka is away


def test_workers_and_api_start_after_the_topics_and_stop_in_time() -> None:
    """A worker gets the drain and 30 s; what systemd starts are commands and stages that exist."""
    worker, api, topics = (_Unit(FOLDER / f"tocsin-{name}.service") for name in ("worker@", "api", "topics"))
    assert worker.values("TimeoutStopSec") == [str(int(WorkerSettings().drain) + 30)]
    assert worker.values("ExecStart") == ["/opt/tocsin/bin/tocsin worker --stages %I"]
    assert api.values("ExecStart") == ["/opt/tocsin/bin/tocsin api"]
    assert topics.values("ExecStart") == ["/opt/tocsin/bin/tocsin topics apply"]
    for unit in (worker, api):
        for key in ("Wants", "After"):
            assert "tocsin-topics.service" in unit.get("Unit", key).split()
        assert unit.values("Restart") == ["always"]


def test_every_stage_has_a_port_of_its_own() -> None:
    """On one machine, no two workers serve metrics on the same port."""
    files = {file.stem: file.read_text() for file in (FOLDER / "stages").glob("*.env")}
    ports = [
        re.findall(r"^TOCSIN_WORKER__METRICS_PORT=(\d+)$", text, re.MULTILINE) for text in files.values()
    ]

    assert set(files) == set(STAGES)
    assert all(len(found) == 1 for found in ports)
    assert len({found[0] for found in ports}) == len(STAGES)


def test_the_folders_are_those_of_the_units() -> None:
    """Secrets can be read by root only, settings by the user of the services."""
    folders = dict(
        re.findall(r"^d (/\S+) +(\d+ \S+ \S+) ", (FOLDER / "tocsin.tmpfiles").read_text(), re.MULTILINE)
    )

    assert folders["/etc/tocsin/secrets"].split() == ["0700", "root", "root"]
    assert (
        folders["/etc/tocsin"].split() == folders["/etc/tocsin/stages"].split() == ["0750", "root", "tocsin"]
    )
    assert re.search(r"^u tocsin ", (FOLDER / "tocsin.sysusers").read_text(), re.MULTILINE)
