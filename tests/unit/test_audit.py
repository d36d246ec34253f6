"""What `make audit` says: green only for what was really asked."""

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
    ("pypi", "osv", "code", "said"),
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
def test_verdicts(pypi: Any, osv: Any, code: int, said: str) -> None:
    """A vulnerability or a gap is red; what could not be asked is said in so many words."""
    ended, text = audit.verdict({"pypi": pypi, "osv": osv})

    assert ended == code
    assert said in text


@pytest.mark.parametrize(
    ("program", "found"),
    [
        ("print('{\"dependencies\": [1]}')", [1]),
        ("print('{}')", None),
        ("raise SystemExit('down')", None),
        ("while True: pass", None),
    ],
)
def test_a_service_that_fails_is_not_asked(
    program: str, found: Any, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Whatever goes wrong, it is told on stderr, and counts as no answer."""
    monkeypatch.setattr(audit, "COMMAND", (audit.sys.executable, "-c", program))
    monkeypatch.setattr(audit, "LONGEST_S", 20.0 if "while" not in program else 0.5)

    assert audit.ask("osv", "requirements.lock") == found
    assert ("osv: " in capfd.readouterr().err) == (found is None)
