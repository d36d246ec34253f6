"""The Grafana dashboard: four questions, panels that fit, links to documents, and queries that Prometheus parses."""

import json
import re
import shutil
import subprocess
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from tests.support.doc_page import Page
from tests.support.paths import ROOT

DASHBOARD: dict[str, Any] = json.loads((ROOT / "ops" / "grafana" / "tocsin.json").read_text())
PANELS: list[dict[str, Any]] = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
QUERIES = [(panel["title"], target["expr"]) for panel in PANELS for target in panel["targets"]]
SELECTOR = 'job=~"$job",instance=~"$instance"'
_WIDTH = 24


def test_its_rows_are_four_questions() -> None:
    """In the order in which they are asked at night."""
    rows = [panel["title"] for panel in DASHBOARD["panels"] if panel["type"] == "row"]
    assert rows == ["Is anything stuck?", "What fails?", "Is it slow?", "Will it fill up?"]


def test_panels_fit_and_fill_the_width() -> None:
    """No two overlap, and each line of panels is as wide as the page."""
    lines: dict[int, list[dict[str, int]]] = {}
    for panel in DASHBOARD["panels"]:
        lines.setdefault(panel["gridPos"]["y"], []).append(panel["gridPos"])
    for line in lines.values():
        assert sum(cell["w"] for cell in line) == _WIDTH
        assert all(left["x"] + left["w"] == right["x"] for left, right in pairwise(line))
        assert len({cell["h"] for cell in line}) == 1
    tops = sorted(lines)
    assert [top + lines[top][0]["h"] for top in tops][:-1] == tops[1:]
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_every_panel_leads_to_the_documents(panel: dict[str, Any]) -> None:
    """A description, the chosen data source, and a link to a heading that a page of the site has."""
    assert panel["description"].endswith(".")
    assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    assert all(target["datasource"] == panel["datasource"] for target in panel["targets"])
    (link,) = panel["links"]
    page, _, anchor = link["url"].partition("#")
    document = Path(page.removeprefix("${docs}/")).with_suffix(".md")
    assert page == f"${{docs}}/{document.with_suffix('.html')}"
    assert anchor in Page.read(ROOT / "docs" / document).anchors()


@pytest.mark.parametrize(("title", "query"), QUERIES)
def test_every_query_is_of_the_chosen_processes(title: str, query: str) -> None:
    """Each selector has the variables of the dashboard, which are declared."""
    names = re.findall(r"\b(?:tocsin|process)_\w+", query)
    selectors = re.findall(r"\b(?:tocsin|process)_\w+\{([^}]*)\}", query)
    assert len(names) == len(selectors), title
    assert all(selector.endswith(SELECTOR) for selector in selectors)
    declared = {variable["name"] for variable in DASHBOARD["templating"]["list"]}
    assert {"datasource", "job", "instance", "docs"} == declared


@pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is not installed (Debian: the package prometheus)"
)
def test_every_query_is_promql(tmp_path: Path) -> None:
    """Prometheus' own parser reads each, with values in place of the dashboard's variables."""
    queries = [query.replace("$__rate_interval", "5m").replace("$job", ".*") for _, query in QUERIES]
    rules = [
        {"record": f"dashboard:{n}", "expr": query.replace("$instance", ".*")}
        for n, query in enumerate(queries)
    ]
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    ran = subprocess.run(["promtool", "check", "rules", file], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
