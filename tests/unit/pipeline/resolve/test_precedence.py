"""mandatory type > suppression > unsubscribe > preference > group list > type default."""

import re
from typing import Any

import pytest

from service.model.blocks.suppression import Suppression
from service.model.channels import Channel
from service.model.reasons import Reason
from service.model.recipient import Choice
from service.pipeline.resolve.precedence import PRECEDENCE, decide
from tests.support.catalogues import small_catalogue
from tests.support.paths import ROOT

CATALOGUE = small_catalogue()
BOUNCED = Suppression(Reason.mailbox_unknown, 5)
OFF, ON = Choice(on=False, since_ms=5, by="alice"), Choice(on=True, since_ms=5)


@pytest.mark.parametrize(
    ("settings", "state", "reason"),
    [
        ({}, "queued", ""),
        ({"listed": True}, "queued", ""),
        ({"choice": ON}, "queued", ""),
        ({"choice": OFF}, "skipped", "preference_off"),
        ({"choice": OFF, "listed": True}, "skipped", "preference_off"),
        ({"choice": ON, "unsubscribed": OFF}, "skipped", "unsubscribed"),
        ({"choice": ON, "unsubscribed": OFF, "suppressed": BOUNCED}, "suppressed", "suppressed_address"),
    ],
)
def test_the_stronger_rule_wins(settings: dict[str, Any], state: str, reason: str) -> None:
    """Each rule overrides those after it."""
    decision = decide(CATALOGUE["winner"], Channel.email, **({"choice": None} | settings))

    assert (decision.state, decision.reason) == (state, reason)


def test_a_mandatory_type_overrides_everything() -> None:
    """No setting switches off a mandatory type."""
    decision = decide(
        CATALOGUE["reset_password"], Channel.email, choice=OFF, suppressed=BOUNCED, unsubscribed=OFF
    )

    assert decision.state == "queued"


def test_a_suppressed_address_still_has_its_inbox() -> None:
    """Suppression is about an address, not about a person."""
    assert decide(CATALOGUE["winner"], Channel.inbox, choice=None, suppressed=BOUNCED).state == "queued"


def test_the_decision_says_since_when_and_by_whom() -> None:
    """explain shows the time and the author of a preference."""
    assert decide(CATALOGUE["winner"], Channel.email, choice=OFF).detail == "preference off since 5 by alice"


def test_the_documents_have_the_rules_in_their_order() -> None:
    """The table of docs/architecture/holds.md is that of the code."""
    text = (ROOT / "docs" / "architecture" / "holds.md").read_text()
    rows = re.findall(r"^\| ([a-z ]+) \|", text.partition("## The mechanism")[0], re.MULTILINE)

    assert rows == ["rule", *PRECEDENCE]
