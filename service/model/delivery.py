"""A delivery: one event for one recipient on one channel, as the dispatch topics carry it."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict

from service.model.catalogue import Channel, Lane


class Found(StrEnum):
    """By which rule a recipient was found."""

    users = "users"
    role = "role"
    group = "group"
    account = "account"


class Delivery(BaseModel):
    """All that a channel stage needs; never the rendered mail. Times are milliseconds since the epoch.

    `scope` names the row the recipient was found in: the role, `external_id|project_id`, or the account.
    `seen` is the version of that row: another one before sending means that the decision is made anew.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    event: str
    event_id: str
    source: str
    type: str
    channel: Channel
    recipient: str
    found: Found
    created_ms: int
    received_ms: int
    deadline_ms: int
    scope: str = ""
    seen: int = 0
    address: str = ""
    name: str = ""
    locale: str = "en"
    timezone: str = "UTC"
    data: Mapping[str, Any] = {}
    lane: Lane = Lane.normal
    supersede: str = ""
    attempt: int = 0
    traceparent: str = ""

    @property
    def supersede_key(self) -> str:
        """What the newest event is kept under; empty for types that nothing supersedes."""
        return f"{self.supersede}|{self.recipient}" if self.supersede else ""

    def to_bytes(self) -> bytes:
        """JSON without the fields that hold their default: some 300 bytes."""
        return self.model_dump_json(exclude_defaults=True).encode()
