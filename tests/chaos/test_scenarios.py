"""The table of scenarios is whole, and what a report says of them is right."""

import os
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from streams.faults.points import POINTS as STAGE_POINTS
from streams.faults.ports import POINTS as HANDLER_POINTS
from tests.chaos.disk import SmallDisk
from tests.chaos.report import Report
from tests.chaos.scenario import Scenario, Skipped
from tests.chaos.scenarios import ALL, SHORT
from tests.chaos.verdict import Arrived, Expected, judge
from tests.chaos.versions import older
from tests.support.paths import ROOT

_FINE = judge(Expected(), Arrived())
_NAMED = re.compile(r"""["'](?:before|after)_[a-z0-9_.]+["']""")


async def _nothing(world: object) -> None:
    """A scenario of no interest."""


def test_every_kill_point_has_its_scenario() -> None:
    """No point is named that nobody dies at, and nobody dies at a point that is not there."""
    played = [point for scenario in ALL for point in scenario.points]
    assert sorted(played) == sorted({*HANDLER_POINTS, *STAGE_POINTS})


def test_every_point_in_the_code_is_in_the_list() -> None:
    """What the code passes is what the lists say."""
    sources = (ROOT / "streams").rglob("*.py")
    named = {match.strip("\"'") for path in sources for match in _NAMED.findall(path.read_text())}
    assert named == {*HANDLER_POINTS, *STAGE_POINTS}


def test_names_tell_scenarios_apart() -> None:
    """`--only` and the table need that; and the short selection is one of them."""
    names = [scenario.name for scenario in ALL]
    assert len(set(names)) == len(names)
    assert len(SHORT) == 7


def test_a_planted_fault_must_be_found() -> None:
    """Loss is what it is there for; without, the harness is blind."""
    scenario = Scenario("x", "-", _nothing, planted=True)
    blind = Report(scenario, 1, verdict=_FINE)
    assert blind.came_to == "caught: no"
    assert blind.faults == ["the planted fault was not caught"]
    seen = Report(scenario, 1, verdict=replace(_FINE, lost_mails=1), error="1 of 9 events are not settled")
    assert seen.came_to == "caught: yes"
    assert seen.faults == []


def test_what_was_skipped_is_neither_green_nor_red() -> None:
    """It says why."""
    report = Report(Scenario("x", "-", _nothing), 1, skipped="no disk")
    assert report.came_to == "skipped: no disk"
    assert report.row()[-1] == "skipped: no disk"
    assert report.faults == []


def test_a_scenario_that_broke_off_is_broken() -> None:
    """Also where all that was counted is fine."""
    scenario = Scenario("x", "-", _nothing)
    assert Report(scenario, 1, verdict=_FINE).came_to == "held"
    assert Report(scenario, 1, verdict=_FINE, error="TimeoutError: ").came_to == "**BROKEN**"
    assert Report(scenario, 1, verdict=replace(_FINE, mail_duplicates=2), mail_bound=1).faults


def test_a_full_disk_is_full(tmp_path: Path) -> None:
    """Nothing can be written until it is freed; a machine that mounts nothing skips."""
    disk = SmallDisk(tmp_path / "disk", megabytes=1)
    try:
        disk.__enter__()
    except Skipped as reason:
        pytest.skip(str(reason))
    try:
        disk.fill()
        with pytest.raises(OSError, match="No space left"):
            (disk.folder / "more").write_bytes(b"x")
        disk.free()
        (disk.folder / "more").write_bytes(b"x")
    finally:
        disk.__exit__(None, None, None)
    assert not (tmp_path / "disk" / "more").exists()


def test_without_history_there_is_no_older_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exported tree skips the upgrade, rather than pass it."""
    monkeypatch.setattr("tests.chaos.versions.ROOT", tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", os.fspath(tmp_path.parent))
    with pytest.raises(Skipped, match="history"):
        older("", tmp_path / "out")


@pytest.mark.skipif(shutil.which("git") is None, reason="no git here")
def test_an_older_version_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The code of the revision, not of the work tree; by its last tag when none is named."""
    home, out = tmp_path / "home", tmp_path / "out"
    for folder in ("service", "streams", "templates"):
        (home / folder).mkdir(parents=True)
        (home / folder / "file").write_text("old")

    def git(*arguments: str) -> None:
        who = ("-c", "user.name=x", "-c", "user.email=x@example.com")
        subprocess.run(["git", *who, *arguments], cwd=home, check=True, capture_output=True)

    for step in (("init",), ("add", "."), ("commit", "-m", "first"), ("tag", "v1")):
        git(*step)
    (home / "service" / "file").write_text("new")
    git("commit", "-a", "-m", "second")
    monkeypatch.setattr("tests.chaos.versions.ROOT", home)
    older("", out)
    assert (out / "service" / "file").read_text() == "old"
    older("HEAD", out)
    assert (out / "service" / "file").read_text() == "new"
