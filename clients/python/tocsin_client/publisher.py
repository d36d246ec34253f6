"""The port of publishing: services depend on it, tests replace it by `RecordingPublisher`."""

from typing import Protocol

from cloudevents.core.base import BaseCloudEvent

from tocsin_client.event import Event


class Publisher(Protocol):
    """Publishes events to Tocsin."""

    async def publish(self, *events: Event | BaseCloudEvent) -> None:
        """Return once all events are acknowledged.

        Raise InvalidEvent before anything is sent, if one of them is refused; PublishError where they were not
        acknowledged. To publish the same events again has no second effect.
        """
