"""The alert rules as Prometheus itself judges them: well formed, and each comes when it should and not before."""

import shutil
import subprocess

import pytest
import yaml  # type: ignore[import-untyped]

from tests.support.paths import ROOT

FOLDER = ROOT / "ops" / "prometheus"
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
    """Names, expressions and templates, as Prometheus reads them."""
    promtool("check", "rules", "alerts.yml")


@needs_promtool
def test_alerts_come_when_they_should() -> None:
    """None on a line that is well; each with its trouble, with its words, and not before its time is up."""
    promtool("test", "rules", "alerts.test.yml")


def test_every_alert_is_tested() -> None:
    """On the line that is well, and by a trouble of its own that makes it come."""
    rules = yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"]
    names = {rule["alert"] for group in rules for rule in group["rules"]}
    well, *troubles = yaml.safe_load((FOLDER / "alerts.test.yml").read_text())["tests"]

    assert {test["alertname"] for test in well["alert_rule_test"]} == names
    firing = {t["alertname"] for case in troubles for t in case["alert_rule_test"] if t.get("exp_alerts")}
    assert firing == names
