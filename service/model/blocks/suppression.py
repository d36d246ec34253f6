"""Suppressions, addresses that are not mailed, and scores of soft bounces; both known only by `address_key`."""

import re
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson

from service.model.ids import address_key
from service.model.mask import mask_text
from service.model.reasons import Reason
from service.model.validators import is_time_ms

_MOST_SCORE = 1_000_000.0


@dataclass(frozen=True, slots=True)
class Suppression:
    """The reason for which an address is not mailed, and since when (ms). `detail` never holds the address.

    `until_ms`: the end of the suppression; 0: until an operator ends it.
    """

    reason: Reason
    at_ms: int
    detail: str = ""
    until_ms: int = 0

    def in_force(self, now_ms: int) -> bool:
        """Return whether the suppression blocks mail at this time."""
        return not self.until_ms or now_ms < self.until_ms

    def to_bytes(self) -> bytes:
        """Return the row as the table and its topic hold it; the time is the row's version too."""
        fields: dict[str, str | int] = {
            "reason": self.reason.value,
            "at_ms": self.at_ms,
            "detail": self.detail,
            "version": self.at_ms,
        }
        if self.until_ms:
            fields["until_ms"] = self.until_ms
        return orjson.dumps(fields)

    @classmethod
    def from_bytes(cls, value: bytes) -> "Suppression":
        """Return the suppression in a row of the table. Raise ValueError, KeyError or TypeError for any other value."""
        fields: dict[str, Any] = orjson.loads(value)
        return cls(
            Reason(fields["reason"]),
            int(fields["at_ms"]),
            str(fields.get("detail", "")),
            int(fields.get("until_ms", 0)),
        )


UNREADABLE = Suppression(Reason.by_operator, 0, "the row cannot be read")
"""In place of a row that cannot be read: mail to an address that may be suppressed is not sent."""


def suppression(
    address: str, reason: Reason, at_ms: int, detail: str = "", until_ms: int = 0
) -> tuple[str, Suppression]:
    """Return the key and the row that suppress an address. Where `detail` quotes the address, it is left out."""
    if bare := address.strip():
        detail = re.sub(re.escape(bare), "…", detail, flags=re.IGNORECASE)
    return address_key(address), Suppression(reason, at_ms, mask_text(detail)[:300], until_ms)


class SoftBounceScore(NamedTuple):
    """How often a mailbox could not take mail recently: the score at `at_ms`, which halves every week from then on.

    Rounded to six digits, as Redis keeps it.
    """

    value: float
    at_ms: int

    def to_bytes(self) -> bytes:
        """Return the score as its topic holds it."""
        return orjson.dumps({"score": self.value, "at_ms": self.at_ms})

    @classmethod
    def from_bytes(cls, value: bytes) -> "SoftBounceScore":
        """Return the score in a record of the topic. Raise ValueError when it holds none."""
        document: Any = orjson.loads(value)
        match document:
            case {"score": float() | int() as score, "at_ms": at_ms} if (
                0 <= score <= _MOST_SCORE and is_time_ms(at_ms)
            ):
                return cls(float(score), at_ms)
        raise ValueError("not a score")
