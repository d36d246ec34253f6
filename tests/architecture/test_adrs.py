"""The decision records: complete, named by the tests that prove them (ADR 1), and kept by the lock files (ADR 2)."""

import re
from collections import defaultdict
from pathlib import Path

import pytest

from tests.support.paths import ROOT

FOLDER = ROOT / "docs" / "adr"
PAGES = sorted(FOLDER.glob("*.md"))
LOCKS = sorted(ROOT.glob("requirements*.lock"))
HEADINGS = ["Context", "Decision", "Consequences"]
LONGEST_WORDS = 400
LINE = 100


def number_of(page: Path) -> int:
    return int(page.name[:4])


def named_by_tests() -> dict[int, set[str]]:
    """Return for each number the test files that name it, as `ADR 3`."""
    files: defaultdict[int, set[str]] = defaultdict(set)
    for file in (ROOT / "tests").rglob("test_*.py"):
        for number in re.findall(r"\bADR (\d+)\b", file.read_text("utf-8")):
            files[int(number)].add(file.name)
    return files


def test_pages_are_numbered_without_gaps() -> None:
    """File name and title have the same number, from 1 on (ADR 1)."""
    assert [number_of(page) for page in PAGES] == list(range(1, len(PAGES) + 1))
    for page in PAGES:
        assert re.fullmatch(r"\d{4}(-[a-z0-9]+)+\.md", page.name)
        assert page.read_text("utf-8").startswith(f"# {number_of(page)}. "), page.name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_has_context_decision_and_consequences(page: Path) -> None:
    """In this order, on one page, in lines that fit a terminal (ADR 1)."""
    text = page.read_text("utf-8")

    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == HEADINGS
    assert len(text.split()) <= LONGEST_WORDS
    assert all(len(line) <= LINE for line in text.splitlines())


def test_every_page_is_named_by_a_test() -> None:
    """Each decision has a test that fails when it is broken, and no test names a page that does not exist (ADR 1)."""
    files = named_by_tests()

    assert set(files) == {number_of(page) for page in PAGES}
    only_here = {number for number, names in files.items() if names == {Path(__file__).name}}
    assert only_here <= {1, 2}


def test_every_link_to_a_page_resolves() -> None:
    """A page that is renamed must be renamed in every document."""
    documents = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    linked = {name for file in documents for name in re.findall(r"\b\d{4}-[a-z0-9-]+\.md", file.read_text())}

    assert linked <= {page.name for page in PAGES}


def test_lock_files_hold_no_registry_address() -> None:
    """Every package is pinned with hashes; no line says where it comes from (ADR 2)."""
    assert {lock.name for lock in LOCKS} == {"requirements.lock", "requirements-dev.lock"}
    assert not (ROOT / "uv.lock").exists()
    for lock in LOCKS:
        text = lock.read_text("utf-8")
        assert not re.search(r"://|--index-url|--extra-index-url|--find-links|--trusted-host", text)
        assert len(re.findall(r"^[a-z0-9].*==", text, re.MULTILINE | re.IGNORECASE)) > 20
        for package in re.split(r"\n(?=[a-z0-9])", text.strip(), flags=re.IGNORECASE):
            assert "--hash=sha256:" in package, package.splitlines()[0]
