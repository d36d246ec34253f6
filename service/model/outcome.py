"""Outcomes: every state change of a delivery, as `dispatch.outcomes` carries it for operators and for `rebuild`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
import orjson

from service.model.delivery import Delivery
from service.model.ids import is_delivery_of
from service.model.ledger import Entry, HistoryStep, State, Transition
from service.model.mail import SendResult
from service.model.reasons import Reason
from service.model.validators import MAX_TIME_MS, MIN_TIME_MS, is_time_ms

_TimeMs = Annotated[int, msgspec.Meta(ge=MIN_TIME_MS, le=MAX_TIME_MS)]


class Outcome(msgspec.Struct, frozen=True, omit_defaults=True):
    """One state change of one delivery. Times are ms since the epoch; `received_ms` is when Kafka got the event.

    On the wire `rule` and `matched` are `found` and `scope`.
    """

    delivery: str
    event: str
    type: str
    recipient: str
    channel: str
    state: State
    at_ms: _TimeMs
    reason: Reason = Reason.none
    attempt: _TimeMs = 0
    detail: str = ""
    relay: str = ""
    reply: str = ""
    next_ms: _TimeMs = 0
    event_id: str = ""
    source: str = ""
    rule: str = msgspec.field(default="", name="found")
    matched: str = msgspec.field(default="", name="scope")
    received_ms: _TimeMs = 0

    @classmethod
    def of_transition(
        cls, delivery: Delivery, transition: Transition, result: SendResult | None = None, next_ms: int = 0
    ) -> "Outcome":
        """Return the outcome of a transition; `result` adds the relay and its reply, `next_ms` the next attempt."""
        # By position, in the order of the fields: made for every transition, and keywords cost three times as much.
        return cls(
            delivery.id,
            delivery.event,
            delivery.type,
            delivery.recipient,
            delivery.channel,
            transition.to,
            transition.at_ms,
            transition.reason,
            transition.attempt,
            transition.detail,
            result.relay if result else "",
            str(result.reply) if result and result.reply else "",
            next_ms,
            delivery.event_id,
            delivery.source,
            delivery.rule,
            delivery.matched,
            delivery.received_ms,
        )

    @classmethod
    def of_entry(cls, entry: Entry, head: Mapping[str, object], step: HistoryStep | None = None) -> "Outcome":
        """Return the outcome of a step of an entry, of its newest where none is passed; `head` is the event's."""
        step = step or entry.newest_step
        return cls(
            delivery=entry.delivery,
            event=entry.event,
            type=str(head.get("type", "")),
            recipient=entry.recipient,
            channel=entry.channel,
            state=step.state,
            at_ms=step.at_ms,
            reason=step.reason,
            attempt=step.attempt,
            detail=step.detail,
            event_id=str(head.get("id", "")),
            source=str(head.get("source", "")),
            rule=entry.rule,
            matched=entry.matched,
        )

    def replace(self, **changes: Any) -> "Outcome":
        """Return the outcome with other values of some fields."""
        return msgspec.structs.replace(self, **changes)

    def to_bytes(self) -> bytes:
        """Return the record as JSON without empty fields."""
        return _ENCODER.encode(self)

    @classmethod
    def from_bytes(cls, value: bytes) -> "Outcome":
        """Return the outcome in a record of `dispatch.outcomes`. Raise ValueError when it holds none."""
        try:
            outcome = _DECODER.decode(value)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise ValueError("not an outcome") from None  # the error's own text may quote the record
        if not is_delivery_of(outcome.delivery, outcome.event):
            raise ValueError("not an outcome: delivery")
        return outcome

    def step(self) -> HistoryStep:
        """Return this outcome as a step of the ledger."""
        reply = "" if self.state is State.sent else self.reply
        return HistoryStep(self.state, self.reason, self.at_ms, self.attempt, self.detail or reply)


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(Outcome)


@dataclass(frozen=True, slots=True)
class ReadMark:
    """Inbox entries that their recipient has read: the other kind of record on `dispatch.outcomes`."""

    recipient: str
    ids: tuple[str, ...]
    at_ms: int

    def to_bytes(self) -> bytes:
        """Return the record as JSON with `kind`, which outcomes do not have."""
        fields = {"kind": "read", "recipient": self.recipient, "ids": self.ids, "at_ms": self.at_ms}
        return orjson.dumps(fields)

    @classmethod
    def from_bytes(cls, value: bytes) -> "ReadMark":
        """Return the read mark in a record of `dispatch.outcomes`. Raise ValueError when it holds none."""
        match orjson.loads(value):
            case {"kind": "read", "recipient": str(recipient), "ids": list(ids), "at_ms": at_ms} if (
                is_time_ms(at_ms)
            ):
                return cls(recipient, tuple(map(str, ids)), at_ms)
        raise ValueError("not a read mark")
