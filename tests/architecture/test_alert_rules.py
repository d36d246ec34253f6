"""The alert rules, checked by Prometheus' own tool: well formed, firing when they should and not before."""

import shutil
import subprocess
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from tests.support.paths import ROOT

FOLDER = ROOT / "ops" / "prometheus"
RULES: list[dict[str, Any]] = [
    rule for group in yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"] for rule in group["rules"]
]
PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(
    PROMTOOL is None, reason="promtool is not installed (Debian: the package prometheus)"
)


def promtool(*arguments: str) -> None:
    assert PROMTOOL is not None
    ran = subprocess.run([PROMTOOL, *arguments], cwd=FOLDER, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


@needs_promtool
def test_rules_are_well_formed() -> None:
    """Prometheus parses every name, expression and template."""
    promtool("check", "rules", "alerts.yml")


@pytest.mark.exhaustive
@needs_promtool
def test_alerts_fire_when_they_should() -> None:
    """No alert fires for a healthy pipeline; each fires for its condition, with its text, after its `for`."""
    promtool("test", "rules", "alerts.test.yml")


def test_every_alert_is_tested() -> None:
    """Each alert is evaluated for the healthy pipeline, and has a case in which it fires."""
    names = {rule["alert"] for rule in RULES}
    healthy, *cases = yaml.safe_load((FOLDER / "alerts.test.yml").read_text())["tests"]

    assert {test["alertname"] for test in healthy["alert_rule_test"]} == names
    firing = {t["alertname"] for case in cases for t in case["alert_rule_test"] if t.get("exp_alerts")}
    assert firing == names


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_every_alert_says_what_is_wrong_and_what_to_check(rule: dict[str, Any]) -> None:
    """The summary is one line for a pager; the description names the first check."""
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert set(rule["annotations"]) == {"summary", "description"}
    assert len(rule["annotations"]["summary"]) <= 120
    assert rule["annotations"]["description"].rstrip().endswith(".")
