"""The closed sets of reasons: each reason is used by the product and has a sentence for people."""

import re

import pytest

from service.model.__main__ import reasons_page
from service.model.reasons import (
    DEAD_REASON_TEXT,
    REASON_TEXT,
    SEND_REASON_TEXT,
    DeadReason,
    Reason,
    SendReason,
)
from tests.support.paths import ROOT


def test_every_reason_is_used() -> None:
    """An operator who reads the list can meet every entry of it: in the code, or in the classifier's table."""
    paths = [path for folder in ("service", "streams") for path in (ROOT / folder).rglob("*.py")]
    sources = " ".join(path.read_text() for path in paths if path.name != "reasons.py")
    table = (ROOT / "service/model/classifier/table.toml").read_text()
    used = {*re.findall(r"\bReason\.(\w+)", sources), *re.findall(r'reason = "(\w+)"', table)}

    assert {reason.name for reason in Reason} - used == set()


@pytest.mark.parametrize("reason", [r for kind in (Reason, SendReason, DeadReason) for r in kind if r])
def test_every_reason_has_a_sentence(reason: Reason | SendReason | DeadReason) -> None:
    """`explain`, `tail` and the documents print it: a clause without a capital letter or a full stop."""
    assert 10 < len(reason.text) < 100
    assert reason.text[0].islower() or reason.text.startswith("NaN")
    assert not reason.text.endswith(".")


def test_sentences_differ() -> None:
    """Two reasons with one sentence would be one reason."""
    texts = [*REASON_TEXT.values(), *SEND_REASON_TEXT.values(), *DEAD_REASON_TEXT.values()]
    assert len(texts) - len(set(texts)) <= 1, "only `render_failed` is in two of the sets"


def test_the_page_of_reasons_is_committed() -> None:
    """docs/reasons.md is made from the code: `make docs`."""
    assert (ROOT / "docs" / "reasons.md").read_text() == reasons_page()
