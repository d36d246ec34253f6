"""The how-to pages are found, and what they set are values of the chart."""

import json
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]

from tests.support.chart import CHART
from tests.support.doc_page import Page
from tests.support.paths import ROOT

PAGES = sorted((ROOT / "docs" / "how-to").glob("*.md"))
with_each_page = pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)


@with_each_page
def test_it_is_found(page: Path) -> None:
    """README or a page of docs has a link to it."""
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    assert any(f"how-to/{page.name})" in start.read_text() for start in pages)


@with_each_page
def test_its_values_are_those_of_the_chart(page: Path) -> None:
    """A snippet of YAML whose keys are values of the chart has no others."""
    known = set(json.loads((CHART / "values.schema.json").read_text())["properties"])
    for snippet in Page.read(page).programs("yaml"):
        keys = set(yaml.safe_load(snippet))
        assert keys <= known or not keys & known, keys
