"""Settlement of SMTP results: the next state of a delivery, and the time of its next attempt."""

import random
from collections.abc import Mapping
from typing import NamedTuple

from service.model.catalogue import NotificationType
from service.model.delivery import Delivery
from service.model.ledger import State, Transition
from service.model.mail import SendResult, SendStatus
from service.model.reasons import Reason, ResultReason, SendReason

_FIRST_S = 30.0
_MAX_S = 4 * 3600.0
_UNSENT: Mapping[ResultReason, Reason] = {
    Reason.lease_over: Reason.lease_over,
    SendReason.closing: Reason.none,
}
_UNSENT_DEFAULT = Reason.relay_unavailable


class SettledDelivery(NamedTuple):
    """A delivery with its transition and the result that led to it. `next_ms`: the next attempt, 0 for none."""

    delivery: Delivery
    transition: Transition
    result: SendResult
    next_ms: int = 0


def settle(
    delivery: Delivery,
    notification_type: NotificationType,
    result: SendResult,
    now_ms: int,
    rng: random.Random,
) -> SettledDelivery:
    """Return the transition of a delivery whose message has a result.

    The budget of a delivery is its deadline, not a number of attempts. A deferred one whose next attempt would be past
    the deadline expires; an ambiguous one is dispatched once more, and its recheck closes it as expired.
    """
    attempt = delivery.attempt + 1
    next_ms = 0
    match result.status:
        case SendStatus.accepted:
            state, reason = State.sent, Reason.none
        case SendStatus.bounced:
            state, reason = State.bounced, Reason(result.reason)
        case SendStatus.unsent:
            state, reason, attempt = (
                State.queued,
                _UNSENT.get(result.reason, _UNSENT_DEFAULT),
                delivery.attempt,
            )
        case SendStatus.ambiguous if notification_type.on_ambiguous == "hold":
            state, reason = State.held, Reason.awaiting_operator
        case SendStatus.ambiguous | SendStatus.deferred:
            deferred = result.status is SendStatus.deferred
            state = State.deferred if deferred else State.ambiguous
            reason = Reason(result.reason)
            next_ms = next_try_ms(attempt, now_ms, result.retry_after_s, rng)
            if next_ms >= delivery.deadline_ms and deferred:
                state, next_ms = State.expired, 0
    # an acceptance only once, in the outcome: the ledger would grow by a third, and `explain` reads it from there
    accepted = result.status is SendStatus.accepted
    detail = "" if accepted else " ".join(filter(None, (result.relay, str(result.reply or ""))))
    transition = Transition(delivery.event, delivery.id, state, reason, now_ms, attempt, detail)
    return SettledDelivery(delivery, transition, result, next_ms)


def next_try_ms(attempt: int, now_ms: int, retry_after_s: float | None, rng: random.Random) -> int:
    """Return the time (ms) of the attempt after `attempt` (from 1): after about 1 min, doubling to 4 h, ± 50 %.

    Never earlier than `retry_after_s`, the wait in seconds that the relay's reply or its cooldown asks for. The jitter
    keeps deliveries that failed together from being attempted together again.
    """
    base_s = min(_MAX_S, _FIRST_S * 2.0 ** min(attempt, 20))
    return now_ms + int(1000 * max(retry_after_s or 0.0, base_s * rng.uniform(0.5, 1.5)))
