"""The messages that stages write: a delivery to its dispatch topic, an outcome for operators, a dead letter."""

from service.model.delivery import Delivery
from service.model.event import InvalidEvent
from service.model.ledger import Transition
from service.model.mail import SendResult
from service.model.outcome import Outcome
from service.model.reasons import DeadReason
from service.model.record import Message, Record
from service.model.topics import TopicNames

_MAX_DETAIL_CHARACTERS = 1000


def dispatch_message(topics: TopicNames, delivery: Delivery) -> Message:
    """Return the message that dispatches a delivery to the stage of its channel. Raise KeyError for another channel."""
    topic = topics.dispatch(delivery.channel, delivery.lane)
    return Message(topic, delivery.recipient.encode(), delivery.to_bytes(), (), delivery)


def outcome_message(
    topics: TopicNames,
    delivery: Delivery,
    transition: Transition,
    result: SendResult | None = None,
    next_ms: int = 0,
) -> Message:
    """Return the message for one transition, with the relay and its reply where there was one."""
    return message_of(topics, Outcome.of_transition(delivery, transition, result, next_ms))


def message_of(topics: TopicNames, outcome: Outcome) -> Message:
    """Return the message for an outcome, keyed by recipient."""
    return Message(topics.outcomes, outcome.recipient.encode(), outcome.to_bytes(), (), outcome)


def dead_letter(topic: str, stage: str, record: Record, error: Exception) -> Message:
    """Return a record as the dead-letter topic keeps it: original key, bytes and headers, and `tocsin-` headers.

    Any error but InvalidEvent has the reason `unprocessable`.
    """
    if isinstance(error, InvalidEvent):
        reason, detail = error.reason, str(error)
    else:
        # The text of an unforeseen error may hold event data, so only its class is kept.
        reason = DeadReason.unprocessable
        detail = f"{reason.text}: {type(error).__name__}"
    added = {
        "tocsin-reason": reason.value,
        "tocsin-detail": detail[:_MAX_DETAIL_CHARACTERS],
        "tocsin-stage": stage,
        "tocsin-topic": record.topic,
        "tocsin-partition": str(record.partition),
        "tocsin-offset": str(record.offset),
        "tocsin-timestamp": str(record.timestamp_ms),
    }
    kept = [(name, value) for name, value in record.headers if name not in added]
    encoded = [(name, value.encode("utf-8", "replace")) for name, value in added.items()]
    return Message(topic, record.key or b"", record.value, (*kept, *encoded))
