"""A dead letter, taken apart again: the record it was, and why and where it died."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import orjson

from service.model.record import Headers, Message, Record

_OURS = "tocsin-"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """`id` is where the dead letter is kept, `TOPIC:PARTITION:OFFSET`; `topic` and `place` where the original was."""

    id: str
    record: Record
    reason: str
    detail: str
    stage: str
    topic: str
    place: str
    type: str

    @property
    def headers(self) -> Headers:
        """The original's own headers."""
        return [(name, value) for name, value in self.record.headers if not name.startswith(_OURS)]

    def original(self) -> Message:
        """The record as it was: key, bytes and headers."""
        return Message(self.topic, self.record.key or b"", self.record.value, self.headers)


def letter_of(record: Record) -> DeadLetter:
    """The dead letter in a record. Nothing that it may hold makes this fail."""
    said = {name: (value or b"").decode("utf-8", "backslashreplace") for name, value in record.headers}
    ours = {name.removeprefix(_OURS): value for name, value in said.items() if name.startswith(_OURS)}
    return DeadLetter(
        id=f"{record.topic}:{record.partition}:{record.offset}",
        record=record,
        reason=ours.get("reason", ""),
        detail=ours.get("detail", ""),
        stage=ours.get("stage", ""),
        topic=ours.get("topic", ""),
        place=f"{ours.get('partition', '?')}:{ours.get('offset', '?')}",
        type=_type(record.value, said),
    )


def _type(value: bytes | None, headers: dict[str, str]) -> str:
    """The notification type of an event in any of its forms, or of a delivery; empty where it cannot be told."""
    told: Any = None
    with suppress(orjson.JSONDecodeError):
        told = orjson.loads(value or b"")
    named = told.get("type") if isinstance(told, dict) else None
    named = named or next((v for name, v in headers.items() if name.lower() == "ce_type"), "")
    return named.rpartition(".")[2] if isinstance(named, str) else ""
