"""What stages write: a delivery to the topic of its stage, and for operators each move of the ledger."""

from service.model.catalogue import Channel
from service.model.delivery import Delivery
from service.model.mail import SendResult
from service.model.outcome import Outcome
from service.model.record import Message
from service.model.topics import TopicNames
from service.ports import Transition


def dispatch_message(topics: TopicNames, delivery: Delivery) -> Message:
    """The message that brings a delivery to its stage: mail in its lane, the rest to the inbox."""
    topic = topics.email(delivery.lane) if delivery.channel is Channel.email else topics.inbox
    return Message(topic, delivery.recipient.encode(), delivery.to_bytes())


def outcome_message(
    topic: str, delivery: Delivery, move: Transition, result: SendResult | None = None, next_ms: int = 0
) -> Message:
    """The message for one move, with the relay and its reply where there was one."""
    told = Outcome(
        delivery=delivery.id,
        event=delivery.event,
        type=delivery.type,
        recipient=delivery.recipient,
        channel=delivery.channel,
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
        found=delivery.found,
        scope=delivery.scope,
        received_ms=delivery.received_ms,
    )
    return Message(topic, delivery.recipient.encode(), told.to_bytes())
