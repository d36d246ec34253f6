"""Dead letters: a record that no retry can help, and why and where it failed."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import orjson

from service.model.record import Headers, Message, Record

_HEADER_PREFIX = "tocsin-"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record of the dead-letter topic. `topic` and `place` (`PARTITION:OFFSET`) say where the original was.

    `id` is the position of the dead letter itself, `TOPIC:PARTITION:OFFSET`.
    """

    id: str
    record: Record
    reason: str
    detail: str
    stage: str
    topic: str
    place: str
    type: str

    @classmethod
    def from_record(cls, record: Record) -> "DeadLetter":
        """Return the dead letter in a record. No content of the record makes this fail."""
        headers = {name: (value or b"").decode("utf-8", "backslashreplace") for name, value in record.headers}
        added = {
            name.removeprefix(_HEADER_PREFIX): value
            for name, value in headers.items()
            if name.startswith(_HEADER_PREFIX)
        }
        return cls(
            id=f"{record.topic}:{record.partition}:{record.offset}",
            record=record,
            reason=added.get("reason", ""),
            detail=added.get("detail", ""),
            stage=added.get("stage", ""),
            topic=added.get("topic", ""),
            place=f"{added.get('partition', '?')}:{added.get('offset', '?')}",
            type=_notification_type(record.value, headers),
        )

    @property
    def headers(self) -> Headers:
        """Return the headers of the original record."""
        return [(name, value) for name, value in self.record.headers if not name.startswith(_HEADER_PREFIX)]

    def original(self) -> Message:
        """Return the message that writes the original record again: key, bytes and headers."""
        return Message(self.topic, self.record.key or b"", self.record.value, self.headers)


def _notification_type(value: bytes | None, headers: dict[str, str]) -> str:
    """Return the notification type of an event in any of its forms, or of a delivery; empty where there is none."""
    document: Any = None
    with suppress(orjson.JSONDecodeError):
        document = orjson.loads(value or b"")
    name = document.get("type") if isinstance(document, dict) else None
    name = name or next((value for header, value in headers.items() if header.lower() == "ce_type"), "")
    return name.rpartition(".")[2] if isinstance(name, str) else ""
