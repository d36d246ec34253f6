"""The tutorial's own notification type, and its programs, for the tests of the clients that it uses."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.support.doc_page import Page
from tests.support.environment import inherited_environment
from tests.support.paths import ROOT

TUTORIAL = ROOT / "docs" / "tutorial" / "first-type.md"
SOURCE = "/parcels"


def write_tutorial(folder: Path) -> Mapping[str, str]:
    """Write the files of the tutorial into a folder; return the settings with which its own type is known."""
    for block in Page.read(TUTORIAL).blocks():
        if block.title:
            file = folder / block.title
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(block.text)
    return {"TOCSIN_TEMPLATES__DIRECTORY": str(folder / "own"), "TOCSIN_TEMPLATES__SHIPPED": "merged"}


def generate_types(settings: Mapping[str, str], language: str, output: Path, *options: str) -> None:
    """Write the typed events of the catalogue, the tutorial's own type among them."""
    subprocess.run(
        [sys.executable, "-m", "service.cli", "types", "generate", language, "--output", output, *options],
        cwd=ROOT,
        env=inherited_environment() | settings,
        check=True,
        capture_output=True,
    )


def shown_commands(language: str) -> list[str]:
    """Return the commands of the section of a language, but for the `tocsin explain` at its end."""
    blocks = [block for block in _section(language).blocks() if block.language == "console"]
    commands = [command.text for block in blocks for command in block.commands()]
    return [command for command in commands if "tocsin explain" not in command]


def explained_event(language: str) -> str:
    """Return the id of the event that the program of a language publishes, which the page explains."""
    return _section(language).text.partition("--event ")[2].split()[0]


def _section(language: str) -> Page:
    return Page.read(TUTORIAL).section(f"In {language}")
