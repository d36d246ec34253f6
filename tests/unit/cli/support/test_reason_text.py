"""Sentences of reason codes."""

import pytest

from service.cli.support.reason_text import reason_line, reason_text
from service.model.reasons import DeadReason, Reason


@pytest.mark.parametrize("reason", [*Reason, *DeadReason])
def test_every_reason_is_printed_with_its_sentence(reason: Reason | DeadReason) -> None:
    """The code first, because filters take it; no reason prints nothing."""
    kind = type(reason)

    assert reason_text(reason.value, kind) == reason.text
    assert reason_line(reason.value, kind) == (f"{reason.value}: {reason.text}" if reason else "")


def test_an_unknown_code_is_printed_alone() -> None:
    """A newer version may have recorded it."""
    assert reason_text("from_the_future") == ""
    assert reason_line("from_the_future", DeadReason) == "from_the_future"
