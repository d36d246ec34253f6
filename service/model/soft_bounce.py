"""Soft-bounce scores: how often a mailbox could not take mail of late, known only by `address_key`."""

from typing import Any, NamedTuple

import orjson


class SoftBounceScore(NamedTuple):
    """As it was at `at_ms`; it halves every week from then on. Rounded to six digits, as Redis keeps it."""

    value: float
    at_ms: int

    def to_bytes(self) -> bytes:
        """As its topic holds it."""
        return orjson.dumps({"score": self.value, "at_ms": self.at_ms})

    @classmethod
    def from_bytes(cls, value: bytes) -> "SoftBounceScore":
        """A row of the topic. Raises ValueError when it is none."""
        told: Any = orjson.loads(value)
        match told:
            case {"score": float() | int() as score, "at_ms": int(at_ms)}:
                return cls(float(score), at_ms)
        raise ValueError("not a score")
