"""`make audit` passes only packages that a service has really checked."""

import importlib.util
from typing import Any

import pytest

from tests.support.paths import ROOT

SPEC = importlib.util.spec_from_file_location("audit", ROOT / ".ci" / "audit.py")
assert SPEC is not None
assert SPEC.loader is not None
audit = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(audit)

CLEAN = {"name": "a", "version": "1", "vulns": []}
BAD = {"name": "b", "version": "2", "vulns": [{"id": "CVE-1"}]}
UNKNOWN = {"name": "a", "skip_reason": "not found"}
OTHER = {"name": "c", "skip_reason": "not found"}


@pytest.mark.parametrize(
    ("pypi", "osv", "code", "text"),
    [
        (
            [CLEAN],
            [CLEAN],
            0,
            "audited: no known vulnerability\npypi: knows 1 of 1 packages\nosv: knows 1 of 1",
        ),
        (
            [CLEAN],
            None,
            0,
            "audited: no known vulnerability\npypi: knows 1 of 1 packages\nosv: no response",
        ),
        (None, [CLEAN, BAD], 1, "VULNERABLE:\nb 2: CVE-1 (osv)\npypi: no response"),
        ([BAD, OTHER], [CLEAN], 1, "b 2: CVE-1 (pypi)"),
        ([CLEAN, OTHER], None, 1, "NOT AUDITED IN PART: no service knows c"),
        ([UNKNOWN, OTHER], [CLEAN, OTHER], 1, "NOT AUDITED IN PART: no service knows c"),
        ([UNKNOWN], [CLEAN], 0, "audited: no known vulnerability\npypi: knows 0 of 1"),
        ([UNKNOWN], None, 0, "NOT AUDITED: no service knows any of the packages\npypi: knows 0 of 1"),
        (
            None,
            None,
            0,
            "NOT AUDITED: no service knows any of the packages\npypi: no response\nosv: no",
        ),
    ],
)
def test_summaries(pypi: Any, osv: Any, code: int, text: str) -> None:
    """A vulnerability or a gap fails; a service without a response is named."""
    actual_code, actual_text = audit.summary({"pypi": pypi, "osv": osv})

    assert actual_code == code
    assert text in actual_text


@pytest.mark.parametrize(
    ("program", "packages"),
    [
        ("print('{\"dependencies\": [1]}')", [1]),
        ("print('{}')", None),
        ("raise SystemExit('down')", None),
        ("while True: pass", None),
    ],
)
def test_a_failed_query_has_no_packages(
    program: str, packages: Any, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Every failure is reported on stderr, and counts as no response."""
    monkeypatch.setattr(audit, "COMMAND", (audit.sys.executable, "-c", program))
    monkeypatch.setattr(audit, "TIMEOUT_S", 20.0 if "while" not in program else 0.5)

    assert audit.query("osv", "requirements.lock") == packages
    assert ("osv: " in capfd.readouterr().err) == (packages is None)
