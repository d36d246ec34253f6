"""The messages that stages write: a delivery to its dispatch topic, an outcome for operators, a dead letter."""

from hashlib import sha256

from service.model.dead_letter import HEADER_PREFIX, ORIGINAL_PREFIX
from service.model.delivery import Delivery
from service.model.event import InvalidEvent
from service.model.ledger import Transition
from service.model.mail import SendResult
from service.model.outcome import Outcome
from service.model.reasons import DeadReason
from service.model.record import Headers, Message, PartialValue, Record
from service.model.topics import TopicNames

_MAX_DETAIL_CHARACTERS = 1000
DEAD_LETTER_WHOLE_BYTES = 64 * 1024
"""A record up to this size is kept whole: key, value and headers together."""
_PREFIX_BYTES = 4096
_MOST_HEADERS = 100
_HEADER_BYTES = 10


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
    """Return a record as the dead-letter topic keeps it: original key, bytes and headers, then `tocsin-` headers.

    Of a record over 64 KiB it holds the first bytes, with the size and the digest of the value: the dead letters of a
    small compressed batch would else fill the log. Any error but InvalidEvent has the reason `unprocessable`.
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
    key, value, headers = record.key, record.value, record.headers
    if isinstance(value, PartialValue) or _size(record) > DEAD_LETTER_WHOLE_BYTES:
        added |= _partial(value)
        key, headers = None if key is None else key[:_PREFIX_BYTES], _first_headers(headers)
        value = None if value is None else bytes(value[:_PREFIX_BYTES])
    kept = [
        (ORIGINAL_PREFIX + name if name.startswith(HEADER_PREFIX) else name, value) for name, value in headers
    ]
    encoded = [(name, text.encode("utf-8", "replace")) for name, text in added.items()]
    return Message(topic, key, value, (*kept, *encoded))


def _size(record: Record) -> int:
    headers = sum([_HEADER_BYTES + len(name) + len(value or b"") for name, value in record.headers])
    return len(record.key or b"") + len(record.value or b"") + headers


def _partial(value: bytes | None) -> dict[str, str]:
    """Return the headers of a dead letter that holds only the first bytes of its original."""
    fields = {"tocsin-partial": "1"}
    if isinstance(value, PartialValue):
        size, digest = value.size, value.sha256
        if value.last_offset is not None:
            fields["tocsin-last-offset"] = str(value.last_offset)
    else:
        size, digest = len(value or b""), sha256(value or b"").hexdigest()
    if size is not None and digest:
        fields |= {"tocsin-size": str(size), "tocsin-sha256": digest}
    return fields


def _first_headers(headers: Headers) -> Headers:
    """Return the headers before the one that makes them too large together."""
    kept, size = list[tuple[str, bytes | None]](), 0
    for name, value in headers:
        size += len(name) + len(value or b"")
        if size > _PREFIX_BYTES or len(kept) == _MOST_HEADERS:
            break
        kept.append((name, value))
    return kept
