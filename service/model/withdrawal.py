"""What was taken back, as `dispatch.withdrawals` keeps it for `rebuild`: the upstreams' topics may be gone by then."""

from typing import Any, NamedTuple

import orjson


class WithdrawalRecord(NamedTuple):
    """Either an event, by its key, or a supersede key (`TYPE|KEY`) up to a time (ms).

    `keep_s`: how long the word stands from its record's time on, in seconds.
    """

    event: str
    supersede: str
    until_ms: int
    keep_s: int

    @property
    def key(self) -> bytes:
        """The key of its record."""
        return (self.event or self.supersede).encode()

    def to_bytes(self) -> bytes:
        """JSON without empty fields."""
        return orjson.dumps({name: value for name, value in self._asdict().items() if value != ""})

    @classmethod
    def from_bytes(cls, value: bytes) -> "WithdrawalRecord":
        """The word in a record. Raises ValueError when it is none."""
        told: Any = orjson.loads(value)
        match told:
            case {"event": str(event), "until_ms": int(until_ms), "keep_s": int(keep_s)}:
                return cls(event, "", until_ms, keep_s)
            case {"supersede": str(supersede), "until_ms": int(until_ms), "keep_s": int(keep_s)}:
                return cls("", supersede, until_ms, keep_s)
        raise ValueError("not a withdrawal")
