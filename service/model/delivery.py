"""A delivery: one event for one recipient on one channel, as the dispatch topics carry it."""

import re
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
import orjson

from service.model.catalogue import AudienceRule, Lane
from service.model.channels import Channel
from service.model.ids import is_delivery_of
from service.model.keys import joined_key
from service.model.validators import MAX_TIME_MS, MAX_VERSION, MIN_TIME_MS

_TimeMs = Annotated[int, msgspec.Meta(ge=MIN_TIME_MS, le=MAX_TIME_MS)]
_MAX_ATTEMPT = 2**31 - 1
_MAX_REMINDERS = 100
_NO_DATA = msgspec.Raw(b"{}")
_FIELD = re.compile(r"`\$\.(\w+)|missing required field `(\w+)`")


def json_document(data: Mapping[str, Any]) -> msgspec.Raw:
    """Return the data of an event as its deliveries carry it: JSON, made once for all of them."""
    return msgspec.Raw(orjson.dumps(data, default=dict)) if data else _NO_DATA


class Delivery(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Everything that a channel stage needs, but not the rendered message. Times are milliseconds since the epoch.

    `rule` is the audience rule that found the recipient, `matched` the row it matched: the role, the `GroupKey`, or the
    account. `row_version` is the version of the recipient's row when the delivery was decided; when it differs before
    sending, the address and the name are taken from the newer row. `document` is the event's data, as JSON. On the
    wire they are `found`, `scope`, `seen`, `data`. `queued_ms` is when resolve queued the delivery, and `decided` why,
    in words. `replayed_ms` is the time of the newest replay, 0 without one.

    `expires_ms` is the deadline that the event itself states; `deadline_ms` is that, or follows from the type's `ttl`.
    `deliver_ms`: it is not delivered before. `retimed_ms`: an operator's time, which takes the place of every rule that
    holds a delivery. `released_ms`: when it was last due after it was held. `reminder`: which reminder of its event it
    is, 0 for none. 0 stands for no time.
    """

    id: str
    event: str
    event_id: str
    source: str
    type: str
    channel: Channel
    recipient: str
    rule: AudienceRule = msgspec.field(name="found")
    created_ms: _TimeMs
    received_ms: _TimeMs
    deadline_ms: _TimeMs
    queued_ms: _TimeMs = 0
    decided: str = ""
    matched: str = msgspec.field(default="", name="scope")
    row_version: Annotated[int, msgspec.Meta(ge=0, le=MAX_VERSION)] = msgspec.field(default=0, name="seen")
    address: str = ""
    name: str = ""
    locale: str = "en"
    timezone: str = "UTC"
    document: msgspec.Raw = msgspec.field(default=_NO_DATA, name="data")
    lane: Lane = Lane.normal
    supersede: str = ""
    attempt: Annotated[int, msgspec.Meta(ge=0, le=_MAX_ATTEMPT)] = 0
    replayed_ms: _TimeMs = 0
    expires_ms: _TimeMs = 0
    deliver_ms: _TimeMs = 0
    retimed_ms: _TimeMs = 0
    released_ms: _TimeMs = 0
    reminder: Annotated[int, msgspec.Meta(ge=0, le=_MAX_REMINDERS)] = 0
    traceparent: str = ""

    @property
    def data(self) -> Mapping[str, Any]:
        """Return the event's data; parsed at each call."""
        data: Mapping[str, Any] = orjson.loads(memoryview(self.document))
        return data

    @property
    def dated_ms(self) -> int:
        """Return the time of the message's Date: the same for every attempt, but a replay's own.

        That of mail which was held is when it was released: a recipient's mailbox sorts by it.
        """
        return max(self.replayed_ms, self.released_ms) or self.received_ms

    def until_ms(self, due_ms: int) -> int:
        """Return until when it waits that is due at a time (ms): the due set holds a delivery for days at most."""
        return max(due_ms, self.retimed_ms or self.deliver_ms)

    @property
    def supersede_key(self) -> str:
        """Return the key under which the newest event is kept; empty for a delivery that nothing supersedes."""
        # Both parts may contain the separator: what one of them means must not depend on the other.
        return f"{self.supersede}|{joined_key(self.recipient)}" if self.supersede else ""

    def replace(self, **changes: Any) -> "Delivery":
        """Return the delivery with other values of some fields."""
        return msgspec.structs.replace(self, **changes)

    def to_bytes(self) -> bytes:
        """Return JSON without the fields that hold their default: some 300 bytes."""
        return _ENCODER.encode(self)

    @classmethod
    def from_bytes(cls, value: bytes | None) -> "Delivery":
        """Return the delivery in a record of a dispatch topic.

        Raise ValueError when the record holds none; its text names the first field at fault and quotes no data.
        """
        try:
            delivery = _DECODER.decode(value or b"")
            data = delivery.data
        except msgspec.ValidationError as error:
            field = _FIELD.search(str(error))
            name = (field[1] or field[2]) if field else "not an object"
            raise ValueError(f"not a delivery: {name}") from None
        except (msgspec.DecodeError, orjson.JSONDecodeError, UnicodeDecodeError, RecursionError):
            raise ValueError("not a delivery: invalid JSON") from None
        if not isinstance(data, dict):
            raise ValueError("not a delivery: data")
        if not is_delivery_of(delivery.id, delivery.event):
            raise ValueError("not a delivery: id")
        return delivery


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(Delivery)
