"""Records of `dispatch.withdrawals`. `rebuild` reads them, since the upstreams' topics may be gone by then."""

from typing import Any, NamedTuple

import orjson

from service.model.ids import is_event_key
from service.model.validators import MAX_DURATION_S, is_time_ms


class WithdrawalRecord(NamedTuple):
    """A withdrawal of an event, by its key, or of a supersede key (`TYPE|KEY`) up to a time (ms).

    `keep_s`: for how many seconds after the record's time the withdrawal is in force.
    """

    event: str
    supersede: str
    until_ms: int
    keep_s: int

    @property
    def key(self) -> bytes:
        """Return the key of the record."""
        return (self.event or self.supersede).encode()

    def to_bytes(self) -> bytes:
        """Return the record as JSON without empty fields."""
        return orjson.dumps({name: value for name, value in self._asdict().items() if value != ""})

    @classmethod
    def from_bytes(cls, value: bytes) -> "WithdrawalRecord":
        """Return the withdrawal in a record. Raise ValueError when it holds none."""
        document: Any = orjson.loads(value)
        match document:
            case {"until_ms": until_ms, "keep_s": int(keep_s)} if (
                is_time_ms(until_ms) and 0 <= keep_s <= MAX_DURATION_S
            ):
                match document:
                    case {"event": str(event)} if is_event_key(event):
                        return cls(event, "", until_ms, keep_s)
                    case {"supersede": str(supersede)}:
                        return cls("", supersede, until_ms, keep_s)
        raise ValueError("not a withdrawal")
