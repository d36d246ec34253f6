"""Dead letters: the original bytes and headers, with the reason, where it was found and by which stage."""

from service.model.event import InvalidEvent
from service.model.reasons import DEAD_REASON_TEXT, DeadReason
from service.model.record import Message, Record


def dead_letter(topic: str, stage: str, record: Record, error: Exception) -> Message:
    """The record as the dead-letter topic keeps it. Anything but InvalidEvent is `unprocessable`."""
    if isinstance(error, InvalidEvent):
        reason, detail = error.reason, str(error)
    else:
        # The text of an unforeseen error may hold event data, so only its kind is kept.
        reason = DeadReason.unprocessable
        detail = f"{DEAD_REASON_TEXT[reason]}: {type(error).__name__}"
    ours = {
        "tocsin-reason": reason.value,
        "tocsin-detail": detail[:1000],
        "tocsin-stage": stage,
        "tocsin-topic": record.topic,
        "tocsin-partition": str(record.partition),
        "tocsin-offset": str(record.offset),
        "tocsin-timestamp": str(record.timestamp_ms),
    }
    kept = [(name, value) for name, value in record.headers if name not in ours]
    added = [(name, value.encode("utf-8", "replace")) for name, value in ours.items()]
    return Message(topic, record.key or b"", record.value, (*kept, *added))
