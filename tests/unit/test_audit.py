"""What `make audit` says: green only for what was really asked."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest

SPEC = importlib.util.spec_from_file_location("audit", Path(__file__).parents[2] / ".ci" / "audit.py")
assert SPEC is not None
assert SPEC.loader is not None
audit = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(audit)

CLEAN = {"name": "a", "version": "1", "vulns": []}
BAD = {"name": "b", "version": "2", "vulns": [{"id": "CVE-1"}]}
UNKNOWN = {"name": "c", "skip_reason": "not found"}


@pytest.mark.parametrize(
    ("found", "code", "said"),
    [
        ([CLEAN], 0, "audited: 1"),
        ([CLEAN, BAD], 1, "b 2: CVE-1"),
        ([BAD, UNKNOWN], 1, "b 2: CVE-1"),
        ([CLEAN, UNKNOWN], 1, "NOT AUDITED IN PART: the service does not know c"),
        ([UNKNOWN], 0, "NOT AUDITED: the vulnerability service knows none"),
        (None, 0, "NOT AUDITED: the vulnerability service cannot be reached"),
    ],
)
def test_verdicts(found: Any, code: int, said: str) -> None:
    """A vulnerability or a gap is red; no service to ask is said in so many words."""
    ended, text = audit.verdict(found)

    assert ended == code
    assert said in text
