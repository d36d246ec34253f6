"""Dead letters: a record that no retry can help, and why and where it failed."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import orjson

from service.model.record import Headers, Message, Record

HEADER_PREFIX = "tocsin-"
ORIGINAL_PREFIX = "tocsin-original-"
"""Put before the name of an original's header that begins as ours do, as those of a dead letter's dead letter."""
_MOST_DIGITS = 19  # of an offset, which has 64 bits


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record of the dead-letter topic. `topic` and `place` (`PARTITION:OFFSET`) say where the original was.

    `id` is the position of the dead letter itself, `TOPIC:PARTITION:OFFSET`. With `partial` it holds only the first
    bytes of its original, and `last_offset` is the last record that it stands for; `size` and `sha256` are those of
    the original's value, None and "" where they are not known.
    """

    id: str
    record: Record
    reason: str
    detail: str
    stage: str
    topic: str
    place: str
    type: str
    partial: bool = False
    size: int | None = None
    sha256: str = ""
    last_offset: int | None = None

    @classmethod
    def from_record(cls, record: Record) -> "DeadLetter":
        """Return the dead letter in a record. No content of the record makes this fail."""
        headers = {name: (value or b"").decode("utf-8", "backslashreplace") for name, value in record.headers}
        added = {
            name.removeprefix(HEADER_PREFIX): value
            for name, value in headers.items()
            if name.startswith(HEADER_PREFIX)
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
            partial="partial" in added,
            size=_number(added.get("size")),
            sha256=added.get("sha256", ""),
            last_offset=_number(added.get("last-offset")),
        )

    @property
    def position(self) -> tuple[int, int]:
        """Return partition and offset of the original; (-1, -1) where the dead letter does not say."""
        partition, _, offset = map(_number, self.place.partition(":"))
        return (-1, -1) if partition is None or offset is None else (partition, offset)

    @property
    def headers(self) -> Headers:
        """Return the headers of the original record."""
        return tuple(
            (name.removeprefix(ORIGINAL_PREFIX), value)
            for name, value in self.record.headers
            if name.startswith(ORIGINAL_PREFIX) or not name.startswith(HEADER_PREFIX)
        )

    def original(self) -> Message:
        """Return the message that writes the original record again: key, bytes and headers. Not for a partial one."""
        return Message(self.topic, self.record.key, self.record.value, self.headers)


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdecimal() and len(text) <= _MOST_DIGITS else None


def _notification_type(value: bytes | None, headers: dict[str, str]) -> str:
    """Return the notification type of an event in any of its forms, or of a delivery; empty where there is none."""
    document: Any = None
    with suppress(orjson.JSONDecodeError):
        document = orjson.loads(value or b"")
    name = document.get("type") if isinstance(document, dict) else None
    name = name or next((value for header, value in headers.items() if header.lower() == "ce_type"), "")
    return name.rpartition(".")[2] if isinstance(name, str) else ""
