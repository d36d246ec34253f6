"""Outcomes: every state change, as `dispatch.outcomes` carries it for operators and for `rebuild`."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson

from service.model.ledger import HistoryStep, State
from service.model.reasons import Reason


class Outcome(NamedTuple):
    """One state change of one delivery. Times are ms since the epoch; `received_ms` is the event's in Kafka."""

    delivery: str
    event: str
    type: str
    recipient: str
    channel: str
    state: State
    at_ms: int
    reason: Reason = Reason.none
    attempt: int = 0
    detail: str = ""
    relay: str = ""
    reply: str = ""
    next_ms: int = 0
    event_id: str = ""
    source: str = ""
    found: str = ""
    scope: str = ""
    received_ms: int = 0

    def to_bytes(self) -> bytes:
        """JSON without empty fields."""
        return orjson.dumps(
            {name: value for name, value in zip(self._fields, self, strict=True) if value or name == "at_ms"}
        )

    @classmethod
    def from_bytes(cls, value: bytes) -> "Outcome":
        """The outcome in a record of `dispatch.outcomes`. Raises ValueError when it is none."""
        fields: Any = orjson.loads(value)
        if not isinstance(fields, dict) or "state" not in fields:
            raise ValueError("not an outcome")
        fields["state"] = State(fields["state"])
        fields["reason"] = Reason(fields.get("reason", ""))
        try:
            return cls(**{name: fields[name] for name in cls._fields if name in fields})
        except TypeError as error:
            raise ValueError(f"not an outcome: {error}") from error

    def step(self) -> HistoryStep:
        """This outcome as a line of the ledger."""
        return HistoryStep(self.state, self.reason, self.at_ms, self.attempt, self.detail or self.reply)


@dataclass(frozen=True, slots=True)
class ReadMark:
    """Entries of an inbox that their owner has read: the other kind of record on `dispatch.outcomes`."""

    recipient: str
    ids: tuple[str, ...]
    at_ms: int

    def to_bytes(self) -> bytes:
        """JSON with `kind`, which outcomes do not have."""
        kept = {"kind": "read", "recipient": self.recipient, "ids": self.ids, "at_ms": self.at_ms}
        return orjson.dumps(kept)

    @classmethod
    def from_bytes(cls, value: bytes) -> "ReadMark":
        """The mark in a record of `dispatch.outcomes`. Raises ValueError when it is none."""
        match orjson.loads(value):
            case {"kind": "read", "recipient": str(recipient), "ids": list(ids), "at_ms": int(at_ms)}:
                return cls(recipient, tuple(map(str, ids)), at_ms)
        raise ValueError("not a read mark")
