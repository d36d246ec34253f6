"""The pages that people read: of the documents, and of the folders that have a README."""

from tests.architecture.source import tracked
from tests.support.doc_page import Page
from tests.support.paths import ROOT

_HISTORY = ("CHANGELOG.md", "docs/adr/")
"""Pages about the past, which name what is no more."""
NAMES = tuple(name for name in tracked() if name.endswith(".md") and not name.startswith(".github/"))
PAGES = {name: Page.read(ROOT / name) for name in NAMES}
CURRENT = {name: page for name, page in PAGES.items() if not name.startswith(_HISTORY)}
