"""`make audit`: it succeeds only for packages that a service was really queried for."""

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
            "audited: no known vulnerability\npypi: knows 1 of 1 packages\nosv: could not be asked",
        ),
        (None, [CLEAN, BAD], 1, "VULNERABLE:\nb 2: CVE-1 (osv)\npypi: could not be asked"),
        ([BAD, OTHER], [CLEAN], 1, "b 2: CVE-1 (pypi)"),
        ([CLEAN, OTHER], None, 1, "NOT AUDITED IN PART: no service knows c"),
        ([UNKNOWN, OTHER], [CLEAN, OTHER], 1, "NOT AUDITED IN PART: no service knows c"),
        ([UNKNOWN], [CLEAN], 0, "audited: no known vulnerability\npypi: knows 0 of 1"),
        ([UNKNOWN], None, 0, "NOT AUDITED: no service knows any of it from here\npypi: knows 0 of 1"),
        (
            None,
            None,
            0,
            "NOT AUDITED: no service knows any of it from here\npypi: could not be asked\nosv: could",
        ),
    ],
)
def test_a_vulnerability_or_a_gap_fails(pypi: Any, osv: Any, code: int, text: str) -> None:
    """The exit code is 1 for either; the output names each service that could not be queried."""
    exit_code, output = audit.summarize({"pypi": pypi, "osv": osv})

    assert exit_code == code
    assert text in output


@pytest.mark.parametrize(
    ("program", "answer"),
    [
        ("print('{\"dependencies\": [1]}')", [1]),
        ("print('{}')", None),
        ("raise SystemExit('down')", None),
        ("while True: pass", None),
    ],
)
def test_a_service_that_fails_gives_no_answer(
    program: str, answer: Any, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Every failure is reported on stderr and counts as no answer."""
    monkeypatch.setattr(audit, "COMMAND", (audit.sys.executable, "-c", program))
    monkeypatch.setattr(audit, "LONGEST_S", 20.0 if "while" not in program else 0.5)

    assert audit.ask("osv", "requirements.lock") == answer
    assert ("osv: " in capfd.readouterr().err) == (answer is None)
