"""An event: a fact from an upstream service, as CloudEvents 1.0 carries it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, NamedTuple


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


class DeadReason(StrEnum):
    """Why a record went to the dead-letter topic. A closed set; each has a sentence for humans."""

    empty = "empty"
    too_large = "too_large"
    invalid_utf8 = "invalid_utf8"
    invalid_json = "invalid_json"
    duplicate_key = "duplicate_key"
    not_a_number = "not_a_number"
    lone_surrogate = "lone_surrogate"
    too_deep = "too_deep"
    not_an_object = "not_an_object"
    unsupported_content_type = "unsupported_content_type"
    unsupported_specversion = "unsupported_specversion"
    missing_attribute = "missing_attribute"
    invalid_attribute = "invalid_attribute"
    unknown_type = "unknown_type"
    invalid_data = "invalid_data"
    missing_audience = "missing_audience"
    invalid_withdrawal = "invalid_withdrawal"
    render_failed = "render_failed"
    unprocessable = "unprocessable"


DEAD_REASON_TEXT: Mapping[DeadReason, str] = {
    DeadReason.empty: "the record has no value",
    DeadReason.too_large: "the event is larger than 256 KiB",
    DeadReason.invalid_utf8: "the bytes are not UTF-8",
    DeadReason.invalid_json: "the bytes are not JSON (RFC 8259)",
    DeadReason.duplicate_key: "an object has the same key twice, so its meaning is unclear",
    DeadReason.not_a_number: "NaN and Infinity are not JSON numbers",
    DeadReason.lone_surrogate: "a string has half of a surrogate pair, which is no character",
    DeadReason.too_deep: "objects are nested deeper than 64 levels",
    DeadReason.not_an_object: "the event is not a JSON object",
    DeadReason.unsupported_content_type: "the content type is none that events come in",
    DeadReason.unsupported_specversion: "the CloudEvents version is not 1.0",
    DeadReason.missing_attribute: "a required attribute (id, source or type) is absent or empty",
    DeadReason.invalid_attribute: "an attribute has the wrong form",
    DeadReason.unknown_type: "the type is not in the catalogue",
    DeadReason.invalid_data: "the data does not fit the type's documented fields",
    DeadReason.missing_audience: "the event does not say whom to notify",
    DeadReason.invalid_withdrawal: "the withdrawal does not say what is withdrawn",
    DeadReason.render_failed: "a template could not be rendered with this data",
    DeadReason.unprocessable: "processing it failed for a reason no retry can help",
}


class InvalidEvent(ValueError):
    """An event that cannot be accepted. `reason` is the closed code, `detail` names the place."""

    def __init__(self, reason: DeadReason, detail: str = "") -> None:
        super().__init__(f"{DEAD_REASON_TEXT[reason]}{': ' + detail if detail else ''}")
        self.reason = reason
        self.detail = detail
