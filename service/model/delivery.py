"""A delivery: one event for one recipient on one channel, as the dispatch topics carry it."""

from collections.abc import Mapping
from typing import Annotated, Any

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from service.model.catalogue import AudienceRule, Lane
from service.model.channels import Channel
from service.model.ids import is_delivery_of
from service.model.keys import joined_key
from service.model.validators import MAX_TIME_MS, MAX_VERSION, MIN_TIME_MS

_TimeMs = Annotated[int, Field(ge=MIN_TIME_MS, le=MAX_TIME_MS)]
_MAX_ATTEMPT = 2**31 - 1


class Delivery(BaseModel):
    """Everything that a channel stage needs, but not the rendered message. Times are milliseconds since the epoch.

    `rule` is the audience rule that found the recipient, `matched` the row it matched: the role, the `GroupKey`, or the
    account. `row_version` is the version of the recipient's row when the delivery was decided; when it differs before
    sending, the address and the name are taken from the newer row. On the wire they are `found`, `scope`, `seen`.
    `replayed_ms` is the time of the newest replay, 0 without one.
    """

    model_config = ConfigDict(
        frozen=True, extra="ignore", validate_by_name=True, validate_by_alias=True, serialize_by_alias=True
    )

    id: str
    event: str
    event_id: str
    source: str
    type: str
    channel: Channel
    recipient: str
    rule: AudienceRule = Field(alias="found")
    created_ms: _TimeMs
    received_ms: _TimeMs
    deadline_ms: _TimeMs
    matched: str = Field(default="", alias="scope")
    row_version: int = Field(default=0, alias="seen", ge=0, le=MAX_VERSION)
    address: str = ""
    name: str = ""
    locale: str = "en"
    timezone: str = "UTC"
    data: Mapping[str, Any] = {}
    lane: Lane = Lane.normal
    supersede: str = ""
    attempt: int = Field(default=0, ge=0, le=_MAX_ATTEMPT)
    replayed_ms: _TimeMs = 0
    traceparent: str = ""

    @property
    def dated_ms(self) -> int:
        """Return the time of the message's Date: the same for every attempt, but a replay's own."""
        return self.replayed_ms or self.received_ms

    @property
    def supersede_key(self) -> str:
        """Return the key under which the newest event is kept; empty for a delivery that nothing supersedes."""
        # Both parts may contain the separator: what one of them means must not depend on the other.
        return f"{self.supersede}|{joined_key(self.recipient)}" if self.supersede else ""

    def to_bytes(self) -> bytes:
        """Return JSON without the fields that hold their default: some 300 bytes."""
        return self.model_dump_json(exclude_defaults=True).encode()

    @classmethod
    def from_bytes(cls, value: bytes | None) -> "Delivery":
        """Return the delivery in a record of a dispatch topic.

        Raise ValueError when the record holds none; its text names the first field at fault and quotes no data.
        """
        try:
            # Not by pydantic's own parser: it takes numbers that no reader of the data can write again.
            delivery = cls.model_validate(orjson.loads(value or b""))
        except orjson.JSONDecodeError:
            raise ValueError("not a delivery: invalid JSON") from None
        except ValidationError as error:
            place = ".".join(str(part) for part in error.errors(include_input=False)[0]["loc"])
            raise ValueError(f"not a delivery: {place}") from None
        if not is_delivery_of(delivery.id, delivery.event):
            raise ValueError("not a delivery: id")
        return delivery
