"""Errors: an event that is refused, and an event that was not acknowledged."""

from enum import StrEnum


class Reason(StrEnum):
    """The reason for which an event is refused: that of the service's dead letters (docs/events.md)."""

    empty = "empty"
    too_large = "too_large"
    invalid_utf8 = "invalid_utf8"
    invalid_json = "invalid_json"
    schema_registry_framing = "schema_registry_framing"
    duplicate_key = "duplicate_key"
    not_a_number = "not_a_number"
    number_out_of_range = "number_out_of_range"
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
    unreadable = "unreadable"
    unprocessable = "unprocessable"


class InvalidEvent(ValueError):
    """An event that cannot be accepted, as it is, however often it is sent.

    `detail` names the place. `index`: the event's place in the call of `publish`.
    """

    def __init__(self, reason: Reason, detail: str = "", index: int = 0) -> None:
        super().__init__(f"{reason.value}: {detail}" if detail else reason.value)
        self.reason = reason
        self.detail = detail
        self.index = index


class PublishError(Exception):
    """Events that were not acknowledged."""


class Unavailable(PublishError):
    """There was no acknowledgement in time: publish the same events again, which has no second effect."""


class AccessDenied(PublishError):
    """The credential is refused, or may not publish events."""


class RequestRefused(PublishError):
    """The API refuses the request for a reason that is not the event's: `status`, and `detail` of its answer."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(f"HTTP {status}: {detail}")
        self.status = status
        self.detail = detail
