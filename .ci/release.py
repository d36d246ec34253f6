"""What a release needs: `check TAG` compares tag, version and changelog; `notes TAG` prints the changelog's section."""

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def notes(changelog: str, version: str) -> str:
    """Return the section of a version. Raise ValueError where there is none, or where it has no date."""
    section = re.search(
        rf"^## \[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d\n(.*?)(?=^## |\Z)",
        changelog,
        re.MULTILINE | re.DOTALL,
    )
    if section is None or not section[1].strip():
        raise ValueError(f"CHANGELOG.md has no section [{version}] with a date and a text")
    return section[1].strip() + "\n"


def versions() -> dict[str, str]:
    """Return the version by the file that states it."""
    return {"pyproject.toml": tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]}


def main(command: str, tag: str) -> str:
    """Return the notes, or an empty text. Raise ValueError for a tag that nothing else agrees with."""
    version = tag.removeprefix("v")
    text = notes((ROOT / "CHANGELOG.md").read_text(), version)
    for file, stated in versions().items():
        if stated != version:
            raise ValueError(f"{file} has the version {stated}, the tag is {tag}")
    return text if command == "notes" else ""


if __name__ == "__main__":
    try:
        sys.stdout.write(main(*sys.argv[1:]))
    except ValueError as error:
        sys.exit(str(error))
