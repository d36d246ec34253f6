"""Every reason of the closed set is used by the product."""

import re

from service.model.ledger import Reason
from service.model.mail import SendReason
from tests.support.paths import ROOT


def test_every_reason_is_used() -> None:
    """An operator who reads the list can meet every entry of it."""
    sources = (
        path.read_text() for folder in ("service", "streams") for path in (ROOT / folder).rglob("*.py")
    )
    used = set(re.findall(r"\bReason\.(\w+)", " ".join(sources))) | {reason.name for reason in SendReason}

    assert {reason.name for reason in Reason} - used == set()
