"""The checks of `tocsin doctor`, one file a dependency. Each returns findings with remedies and raises nothing."""

from dataclasses import dataclass
from enum import StrEnum

NEXT_STEPS = ("workers", "recipients", "api keys", "first event")
"""The checks of what a new installation lacks."""


class Status(StrEnum):
    """The status of a finding.

    `hint`: a choice that only the operator can make; `warn`: it works but should be changed; `fail`: it does not work.
    """

    ok = "ok"
    hint = "hint"
    warn = "warn"
    fail = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check. `remedy`: what the operator should do, or empty."""

    check: str
    status: Status
    detail: str
    remedy: str = ""


def ok(check: str, detail: str) -> Finding:
    """Return a finding that needs no action."""
    return Finding(check, Status.ok, detail)


def hint(check: str, detail: str, remedy: str) -> Finding:
    """Return a finding of something that the operator may want to choose otherwise."""
    return Finding(check, Status.hint, detail, remedy)


def warn(check: str, detail: str, remedy: str) -> Finding:
    """Return a finding of something that works but should be changed."""
    return Finding(check, Status.warn, detail, remedy)


def fail(check: str, detail: str, remedy: str) -> Finding:
    """Return a finding of something that does not work."""
    return Finding(check, Status.fail, detail, remedy)
