"""An event: a fact from an upstream service, as CloudEvents 1.0 carries it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple

from service.model.reasons import DEAD_REASON_TEXT, DeadReason


class Event(NamedTuple):
    """A validated event. Times are milliseconds since the epoch. One is made for every record, so it is a plain tuple.

    `recipients` is None when the event names none, empty when it names nobody on purpose. `supersede` stands in
    for the supersede key that the type would give.
    """

    key: str
    id: str
    source: str
    type: str
    time_ms: int
    received_ms: int
    data: Mapping[str, Any]
    recipients: tuple[str, ...] | None = None
    external_id: str | None = None
    project_id: str = ""
    account: str | None = None
    actor: str | None = None
    expires_ms: int | None = None
    traceparent: str | None = None
    extensions: Mapping[str, Any] = MappingProxyType({})
    supersede: str | None = None


WITHDRAW = "withdraw"
"""The reserved type by which a producer takes events back, with or without a reverse-DNS prefix."""


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """A producer's word that events are void. Times are milliseconds since the epoch.

    Either `event`, the key of the one that is meant, or `supersede` (`TYPE|KEY`): then all that have it and are not
    newer than `time_ms`, whether they have come already or come later. `keep_s`: how long the word stands, in seconds.
    """

    key: str
    id: str
    source: str
    time_ms: int
    received_ms: int
    event: str = ""
    supersede: str = ""
    keep_s: int = 604_800
    extensions: Mapping[str, Any] = field(default_factory=dict)

    @property
    def type(self) -> str:
        """As an event has it."""
        return WITHDRAW


class InvalidEvent(ValueError):
    """An event that cannot be accepted. `reason` is the closed code, `detail` names the place."""

    def __init__(self, reason: DeadReason, detail: str = "") -> None:
        super().__init__(f"{DEAD_REASON_TEXT[reason]}{': ' + detail if detail else ''}")
        self.reason = reason
        self.detail = detail
