"""A test double: validates as the others do, and records instead of sending."""

from typing import TypeVar

from cloudevents.core.base import BaseCloudEvent

from tocsin_client.cloud_event import to_cloud_event
from tocsin_client.event import Event

EventT = TypeVar("EventT", bound=Event)


class RecordingPublisher:
    """A `Publisher` for tests. `events` are those that were published, each call's in its order."""

    def __init__(self) -> None:
        self.events: list[Event | BaseCloudEvent] = []
        self._error: BaseException | None = None

    async def publish(self, *events: Event | BaseCloudEvent) -> None:
        """Validate and record the events. Raise InvalidEvent, or the error of `fail_with`."""
        for index, event in enumerate(events):
            to_cloud_event(event, index)
        error, self._error = self._error, None
        if error is not None:
            raise error
        self.events += events

    def published(self, event_class: type[EventT]) -> list[EventT]:
        """Return the published events of a type."""
        return [event for event in self.events if isinstance(event, event_class)]

    def fail_with(self, error: BaseException) -> None:
        """Let the next call of `publish` raise an error and record nothing, such as `Unavailable("...")`."""
        self._error = error
