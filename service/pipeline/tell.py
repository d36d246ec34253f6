"""Tells operators: a move of the ledger as a record of `dispatch.outcomes`."""

from service.model.delivery import Delivery
from service.model.mail import SendResult
from service.model.outcome import Outcome
from service.model.record import Message
from service.ports import Move


def outcome(
    topic: str, delivery: Delivery, move: Move, result: SendResult | None = None, next_ms: int = 0
) -> Message:
    """The message for one move, with the relay and its reply where there was one."""
    told = Outcome(
        delivery=delivery.id,
        event=delivery.event,
        type=delivery.type,
        recipient=delivery.recipient,
        channel=delivery.channel.value,
        state=move.to,
        at_ms=move.at_ms,
        reason=move.reason,
        attempt=move.attempt,
        detail=move.detail,
        relay=result.relay if result else "",
        reply=str(result.reply) if result and result.reply else "",
        next_ms=next_ms,
        event_id=delivery.event_id,
        source=delivery.source,
        found=delivery.found.value,
        scope=delivery.scope,
        received_ms=delivery.received_ms,
    )
    return Message(topic, delivery.recipient.encode(), told.to_bytes())
