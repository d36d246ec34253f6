"""The closed set of reasons holds nothing that no line of the product gives."""

import re

from service.model.ledger import Reason
from service.model.mail import SendReason
from tests.support.paths import ROOT


def test_every_reason_is_given_somewhere() -> None:
    """An operator who reads the list can meet every entry of it."""
    sources = (
        path.read_text() for folder in ("service", "streams") for path in (ROOT / folder).rglob("*.py")
    )
    given = set(re.findall(r"\bReason\.(\w+)", " ".join(sources))) | {reason.name for reason in SendReason}

    assert {reason.name for reason in Reason} - given == set()
