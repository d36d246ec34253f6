"""The API's way to Kafka: the Publisher port on the idempotent producer."""

from collections.abc import Sequence

from service.model.record import Message
from streams.producer.producer import Producer


class KafkaPublisher:
    """Answers when every record is acknowledged."""

    def __init__(self, producer: Producer) -> None:
        self._producer = producer

    async def publish(self, messages: Sequence[Message]) -> None:
        """Raises Unavailable when Kafka does not take them, TooLarge when one is over its topic's limit."""
        await self._producer.produce(messages)

    async def trouble(self) -> str | None:
        """Why Kafka took nothing the last time; None when it did."""
        return self._producer.trouble
