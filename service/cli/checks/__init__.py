"""What `tocsin doctor` looks at, one file a dependency; each check is a finding with a remedy, and none raises."""

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """`warn` works and is not advisable; `fail` does not work."""

    ok = "ok"
    warn = "warn"
    fail = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check came to; `remedy` is empty where there is nothing to do."""

    check: str
    status: Status
    detail: str
    remedy: str = ""


def ok(check: str, detail: str) -> Finding:
    """All is well."""
    return Finding(check, Status.ok, detail)


def warn(check: str, detail: str, remedy: str) -> Finding:
    """It works, and yet."""
    return Finding(check, Status.warn, detail, remedy)


def fail(check: str, detail: str, remedy: str) -> Finding:
    """It does not work."""
    return Finding(check, Status.fail, detail, remedy)
