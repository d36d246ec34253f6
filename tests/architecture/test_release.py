"""What a release is made of agrees: versions, changelog, workflows and make targets."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from tests.architecture.source import tracked
from tests.support.paths import ROOT

_WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def _release(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, ROOT / ".ci" / "release.py", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_every_version_is_the_same() -> None:
    """The tag of the version of today is accepted; the changelog has its section, with a date."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    result = _release("check", f"v{project['version']}")

    assert (result.returncode, result.stderr) == (0, "")


def test_documents_show_this_version() -> None:
    """Where they name an image, a package or a tag to copy."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pattern = re.compile(r"(?:tocsin(?:-client)?[:-]|\btag: |<version>)(\d+\.\d+\.\d+)")
    shown = {
        (name, version)
        for name in tracked()
        if name.endswith("README.md") or name.startswith("docs/how-to/")
        for version in pattern.findall((ROOT / name).read_text())
    }

    assert len(shown) >= 5
    assert {version for _, version in shown} == {project["version"]}, shown


def test_a_tag_that_no_file_has_is_refused() -> None:
    """With the first thing that does not agree."""
    result = _release("check", "v9.9.9")

    assert result.returncode == 1
    assert "CHANGELOG.md has no section [9.9.9]" in result.stderr


def test_the_bill_of_materials_has_every_locked_package() -> None:
    """By name, version and hashes."""
    result = _release("sbom")
    locked = set(
        re.findall(r"^([\w.-]+)(?:\[[^]]*\])?==", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    )

    document = yaml.safe_load(result.stdout)
    assert {part["name"] for part in document["components"]} == locked
    assert all(part["externalReferences"][0]["hashes"] for part in document["components"])


@pytest.mark.parametrize("path", _WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_run_what_exists(path: Path) -> None:
    """Make targets and scripts; the rights of a job are named, and credentials do not stay in a checkout."""
    workflow = yaml.safe_load(path.read_text())
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    runs = "\n".join(step.get("run", "") for step in steps)

    assert workflow["permissions"] == {"contents": "read"}
    assert all("timeout-minutes" in job for job in workflow["jobs"].values())
    assert set(re.findall(r"\bmake ([a-z-]+)", runs)) <= targets
    assert all((ROOT / script).is_file() for script in re.findall(r"(?<![\w/])\.ci/[\w.]+", runs))
    assert all("${{" not in step.get("run", "") for step in steps), (
        "an expression in a script can be injected"
    )
    for step in steps:
        if str(step.get("uses", "")).startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False
