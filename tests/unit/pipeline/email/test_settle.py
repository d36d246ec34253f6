"""The transition and the next attempt that follow from a relay's result."""

import random

import pytest

from service.model.catalogue import AudienceRule
from service.model.channels import Channel
from service.model.delivery import Delivery
from service.model.ledger import State, check_transition
from service.model.mail import Reply, SendResult, SendStatus
from service.model.reasons import Reason, ResultReason, SendReason
from service.pipeline.email.settle import next_try_ms, settle
from tests.support.catalogues import small_catalogue

CATALOGUE = small_catalogue()
NOW = 1_000_000


def delivery(deadline_ms: int = NOW + 86_400_000, attempt: int = 0, type_name: str = "winner") -> Delivery:
    return Delivery(
        id="d", event="e", event_id="1", source="s", type=type_name, channel=Channel.email, recipient="alice",
        rule=AudienceRule.users, created_ms=0, received_ms=0, deadline_ms=deadline_ms, attempt=attempt,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("status", "reason", "state", "retried", "attempt"),
    [
        (SendStatus.accepted, SendReason.accepted, "sent", False, 1),
        (SendStatus.bounced, Reason.mailbox_unknown, "bounced", False, 1),
        (SendStatus.deferred, Reason.greylisted, "deferred", True, 1),
        (SendStatus.deferred, Reason.sender_refused, "deferred", True, 1),
        (SendStatus.ambiguous, Reason.lost_after_data, "ambiguous", True, 1),
        (SendStatus.unsent, SendReason.auth_failed, "queued", False, 0),
    ],
)
def test_each_status_has_its_state(
    status: SendStatus, reason: ResultReason, state: str, retried: bool, attempt: int
) -> None:
    """An attempt counts only if one was made; a delivery is retried only if it may still succeed."""
    settled = settle(delivery(), CATALOGUE["winner"], SendResult(status, reason), NOW, random.Random(1))

    assert (settled.transition.to, bool(settled.next_ms), settled.transition.attempt) == (
        state,
        retried,
        attempt,
    )


def test_a_delivery_that_cannot_be_retried_before_its_deadline_expires() -> None:
    """The budget is a span of time."""
    result = SendResult(SendStatus.deferred, Reason.temporary, Reply(451, "4.3.0", "later"), "main")
    settled = settle(delivery(deadline_ms=NOW + 1000), CATALOGUE["winner"], result, NOW, random.Random(1))

    assert settled.transition.to == "expired"
    assert "451 4.3.0 later" in settled.transition.detail


def test_a_type_may_hold_an_ambiguous_delivery() -> None:
    """A type that must never arrive twice waits for an operator."""
    result = SendResult(SendStatus.ambiguous, Reason.lost_after_data)
    settled = settle(
        delivery(type_name="held_when_unsure"), CATALOGUE["held_when_unsure"], result, NOW, random.Random(1)
    )

    check_transition(State.sending, settled.transition.to)
    assert (settled.transition.to, settled.transition.reason, settled.next_ms) == (
        "held",
        "awaiting_operator",
        0,
    )


def test_back_off_doubles_up_to_hours_with_jitter() -> None:
    """About one minute at first, four hours at most, never twice the same."""
    rng = random.Random(7)
    waits = [[next_try_ms(n, 0, None, rng) / 1000 for _ in range(50)] for n in (1, 2, 12, 400)]

    assert 30 <= min(waits[0]) < max(waits[0]) <= 90
    assert min(waits[1]) >= 60
    assert max(waits[3]) <= 6 * 3600
    assert len(set(waits[2])) > 40


def test_the_wait_is_never_shorter_than_the_relay_asks_for() -> None:
    """A relay's retry-after is a lower bound."""
    assert next_try_ms(1, 0, 600.0, random.Random(1)) == 600_000
