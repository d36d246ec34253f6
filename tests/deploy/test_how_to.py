"""The how-to pages name what exists: commands, metrics, alerts, values of the chart, and headings of other pages."""

import json
import re
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]

from service.cli.support.command_group import COMMANDS
from tests.architecture.test_dashboard import anchors
from tests.support.chart import CHART
from tests.support.paths import ROOT

PAGES = sorted((ROOT / "docs" / "how-to").glob("*.md"))
METRICS = set(re.findall(r"^\| `(tocsin_\w+)` \|", (ROOT / "docs/operations.md").read_text(), re.MULTILINE))
ALERTS = {
    rule["alert"]
    for group in yaml.safe_load((ROOT / "ops/prometheus/alerts.yml").read_text())["groups"]
    for rule in group["rules"]
}
with_each_page = pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)


@with_each_page
def test_it_names_what_exists(page: Path) -> None:
    """Commands, metrics and alerts; test_settings.py does the same for settings, test_layout.py for files."""
    text = page.read_text()
    commands = re.findall(r"(?:`|bin/|-- )tocsin ((?!dev\b)[a-z-]+)", text)

    assert {*commands} <= {*COMMANDS}
    assert {*re.findall(r"\btocsin_\w+_(?:total|seconds|lag)\b", text)} <= METRICS
    assert {*re.findall(r"\bTocsin[A-Z]\w+", text)} <= ALERTS


@with_each_page
def test_its_links_lead_to_headings(page: Path) -> None:
    """A link to a section leads to a heading of that page."""
    for target, anchor in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", page.read_text()):
        linked = (page.parent / target) if target else page
        assert anchor in anchors(linked.read_text()), f"{target}#{anchor}"


@with_each_page
def test_it_is_found(page: Path) -> None:
    """README or a page of docs has a link to it."""
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    assert any(f"how-to/{page.name})" in start.read_text() for start in pages)


@with_each_page
def test_its_values_are_those_of_the_chart(page: Path) -> None:
    """A snippet of YAML whose keys are values of the chart has no others."""
    known = set(json.loads((CHART / "values.schema.json").read_text())["properties"])
    for snippet in re.findall(r"```yaml\n(.*?)```", page.read_text(), re.DOTALL):
        keys = set(yaml.safe_load(snippet))
        assert keys <= known or not keys & known, keys
