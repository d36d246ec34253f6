"""Build the documentation site: `python .ci/site.py OUTPUT`, from `zensical.toml`, `docs/` and the pages beside it.

A page may link to a file outside `docs/`, as it is read in the repository too: the guide for contributors, an alert
rule, a test. The site has Markdown as pages and other files as they are, under the same path below `repository/`.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_LINK = re.compile(r"(\]\(|^\[[^]]+\]: )([^)#:\s]+)((?:#[^)\s]*)?\)?)", re.MULTILINE)
_TEXT = frozenset({".py", ".toml", ".yml", ".yaml"})
"""Files that a browser is to show, and would download or run: they become text."""


class Source:
    """The pages of the site, copied to a folder, with the files that they link to."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._copied: set[Path] = set()

    def copy(self) -> None:
        """Copy `docs/`, and whatever its pages lead to."""
        shutil.copytree(ROOT / "docs", self._folder)
        for page in sorted((ROOT / "docs").rglob("*.md")):
            self._copy_page(page)

    def _place(self, file: Path) -> Path:
        """Return where a file of the repository is in the site's source."""
        if file.is_relative_to(ROOT / "docs"):
            return self._folder / file.relative_to(ROOT / "docs")
        place = self._folder / "repository" / file.relative_to(ROOT)
        return place.with_name(place.name + ".txt") if file.suffix in _TEXT else place

    def _copy_page(self, page: Path) -> None:
        place = self._place(page)
        place.parent.mkdir(parents=True, exist_ok=True)
        self._copied.add(page)
        place.write_text(_LINK.sub(lambda link: self._linked(page, link), page.read_text()))

    def _linked(self, page: Path, link: re.Match[str]) -> str:
        target = (page.parent / link[2]).resolve()
        if target.is_dir():  # a folder has a page only if it has a README
            target = target / "README.md"
        if not target.is_file():
            return link[0]
        if target not in self._copied and not target.is_relative_to(ROOT / "docs"):
            if target.suffix == ".md":
                self._copy_page(target)
            else:
                self._copied.add(target)
                self._place(target).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(target, self._place(target))
        return link[1] + os.path.relpath(self._place(target), self._place(page).parent) + link[3]


def main() -> int:
    """Build the site into the folder of the command line. Return 1 if a page has a fault."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path)
    output = parser.parse_args().output.resolve()
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        Source(work / "docs").copy()
        shutil.copyfile(ROOT / "zensical.toml", work / "zensical.toml")
        zensical = Path(sys.executable).with_name("zensical")
        built = subprocess.run([zensical, "build", "--strict", "--clean"], cwd=work, check=False)
        if built.returncode == 0:
            shutil.rmtree(output, ignore_errors=True)
            shutil.copytree(work / "site", output)
    return built.returncode


if __name__ == "__main__":
    sys.exit(main())
