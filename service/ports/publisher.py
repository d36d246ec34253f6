"""Publishing to Kafka: one port for stages, the API, the CLI and the operators' tools."""

from collections.abc import Sequence
from typing import Protocol

from service.model.record import Message


class Publisher(Protocol):
    """A producer of Kafka records."""

    async def publish(self, messages: Sequence[Message]) -> None:
        """Return once all in-sync replicas have acknowledged every message. Raise Unavailable."""
        ...
