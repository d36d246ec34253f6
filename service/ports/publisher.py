"""Publishing records to Kafka: one port for stages, the API, the CLI and the operator's tools."""

from collections.abc import Sequence
from typing import Protocol

from service.model.record import Message


class Publisher(Protocol):
    """Writes records to Kafka."""

    async def publish(self, messages: Sequence[Message]) -> None:
        """Return when every record is acknowledged by all in-sync replicas. Raises Unavailable."""
        ...
