"""An event: a fact from an upstream service, as CloudEvents 1.0 carries it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple

from service.model.reasons import DEAD_REASON_TEXT, DeadReason


class Event(NamedTuple):
    """A validated event. Times are milliseconds since the epoch. One is made for every record, so it is a plain tuple.

    `recipients` is None when the event has no such field, empty when it is for no recipient on purpose. `supersede`
    overrides the supersede key of the type. `time_ms` is never after `received_ms`; `stated_ms` is the event's own time
    where that is further ahead than clocks may differ. `deliver_ms`: when it is delivered; 0 where it does not say.
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
    stated_ms: int | None = None
    deliver_ms: int = 0


WITHDRAW = "withdraw"
"""The reserved type of events that withdraw others, with or without a reverse-DNS prefix."""


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """A producer's statement that events are void. Times are milliseconds since the epoch.

    Either `event`, the key of the event that is void, or `supersede` (`TYPE|KEY`): then all events with this key that
    are not newer than `time_ms`, whether they have come already or come later. `keep_s`: for how many seconds the
    withdrawal is in force.
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
        """Return the reserved type, where an event has its own."""
        return WITHDRAW


class InvalidEvent(ValueError):
    """An event that cannot be accepted. `reason` is a code of a closed set, `detail` names the place."""

    def __init__(self, reason: DeadReason, detail: str = "") -> None:
        super().__init__(f"{DEAD_REASON_TEXT[reason]}{': ' + detail if detail else ''}")
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, slots=True)
class ClockBound:
    """How far an event's `time` may be ahead of its receipt, in seconds, before it is noted.

    With `refuse`, an event that is further ahead is refused. Otherwise its stated time is kept beside the event.
    """

    max_ahead_s: int = 600
    refuse: bool = False


DEFAULT_BOUND = ClockBound()
