"""Email deliveries as Kafka keeps them: where a delivery that Redis has lost is found again."""

from collections.abc import Mapping
from contextlib import aclosing

from pydantic import ValidationError

from service.model.catalogue import Lane
from service.model.delivery import Delivery
from service.model.topics import TopicNames
from streams.kafka.connection import KafkaConnection
from streams.reader.follow import follow


class KafkaDeliveryLog:
    """The DeliveryLog port."""

    def __init__(self, connection: KafkaConnection, topics: TopicNames) -> None:
        self._connection = connection
        self._lanes = [topics.email(lane) for lane in Lane]

    async def find(self, wanted: frozenset[str]) -> Mapping[str, Delivery]:
        """Deliveries by their ids, as they were last written. Reads all lanes. Raises Unavailable, UnknownTopic."""
        marks = {name.encode() for name in wanted}
        found: dict[str, Delivery] = {}
        async with aclosing(follow(self._connection, self._lanes, since_ms=0, until_end=True)) as records:
            async for record in records:
                value = record.value or b""
                if value[7:31] not in marks:  # {"id":"…": its id comes first, and is read without the rest
                    continue
                try:
                    delivery = Delivery.model_validate_json(value)
                except ValidationError:
                    continue
                found[delivery.id] = delivery
        return found
