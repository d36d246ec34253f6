"""Soft-bounce scores: how often a mailbox could not take mail recently, known only by `address_key`."""

from typing import Any, NamedTuple

import orjson

from service.model.validators import is_time_ms

_MOST = 1_000_000.0


class SoftBounceScore(NamedTuple):
    """The score at `at_ms`; it halves every week from then on. Rounded to six digits, as Redis keeps it."""

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
            case {"score": float() | int() as score, "at_ms": at_ms} if 0 <= score <= _MOST and is_time_ms(
                at_ms
            ):
                return cls(float(score), at_ms)
        raise ValueError("not a score")
