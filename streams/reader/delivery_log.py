"""Email deliveries as Kafka keeps them: the source for a delivery that Redis has lost."""

from collections.abc import Mapping
from contextlib import aclosing

from service.model.catalogue import Lane
from service.model.delivery import Delivery
from service.model.ids import DELIVERY_BYTES
from service.model.topics import TopicNames
from streams.kafka.connection import KafkaConnection
from streams.reader.follow import follow

_ID = slice(7, 7 + 2 * DELIVERY_BYTES)
"""Where a record has the id, which comes first and is compared without parsing: `{"id":"…`."""


class KafkaDeliveryLog:
    """The DeliveryLog port on the email topics."""

    def __init__(self, connection: KafkaConnection, topics: TopicNames) -> None:
        self._connection = connection
        self._topics = [topics.email(lane) for lane in Lane]

    async def find(self, ids: frozenset[str]) -> Mapping[str, Delivery]:
        """Return deliveries by id, each as it was written last. Read all lanes. Raise Unavailable, UnknownTopic."""
        wanted = {delivery_id.encode() for delivery_id in ids}
        deliveries: dict[str, Delivery] = {}
        async with aclosing(follow(self._connection, self._topics, since_ms=0, until_end=True)) as records:
            async for record in records:
                value = record.value or b""
                if value[_ID] not in wanted:
                    continue
                try:
                    delivery = Delivery.from_bytes(value)
                except ValueError:
                    continue
                deliveries[delivery.id] = delivery
        return deliveries
