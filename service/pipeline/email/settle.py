"""What an answer of a relay means for a delivery: its next state, and when it is tried again."""

import random
from typing import NamedTuple

from service.model.catalogue import NotificationType
from service.model.delivery import Delivery
from service.model.ledger import State, Transition
from service.model.mail import SendResult, SendStatus
from service.model.reasons import Reason
from service.pipeline.backoff import next_try_ms


class SettledDelivery(NamedTuple):
    """A move, and with `again_ms` the time of the next attempt (0: none)."""

    delivery: Delivery
    transition: Transition
    result: SendResult
    again_ms: int = 0


def settle(
    delivery: Delivery, row: NotificationType, result: SendResult, now_ms: int, rng: random.Random
) -> SettledDelivery:
    """The budget of a delivery is its deadline, not a count of attempts."""
    attempt = delivery.attempt + 1
    again_ms = 0
    match result.status:
        case SendStatus.accepted:
            state, reason = State.sent, Reason.none
        case SendStatus.bounced:
            state, reason = State.bounced, Reason(result.reason)
        case SendStatus.unsent:
            state, reason, attempt = State.queued, Reason.relay_unavailable, delivery.attempt
        case SendStatus.ambiguous if row.on_ambiguous == "hold":
            state, reason = State.held, Reason.awaiting_operator
        case SendStatus.ambiguous | SendStatus.deferred:
            deferred = result.status is SendStatus.deferred
            state = State.deferred if deferred else State.ambiguous
            reason = Reason(result.reason)
            again_ms = next_try_ms(attempt, now_ms, result.retry_after_s, rng)
            if again_ms >= delivery.deadline_ms and deferred:
                state, again_ms = State.expired, 0
            # An ambiguous mail past its deadline is looked at once more, to be closed as expired.
    detail = " ".join(filter(None, (result.relay, str(result.reply or ""))))
    transition = Transition(delivery.event, delivery.id, state, reason, now_ms, attempt, detail)
    return SettledDelivery(delivery, transition, result, again_ms)
