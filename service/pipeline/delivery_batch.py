"""Decoding of dispatch records into deliveries."""

from collections.abc import Iterable, Sequence
from typing import Self

from service.model.catalogue import Catalogue
from service.model.delivery import Delivery
from service.model.event import InvalidEvent
from service.model.reasons import DeadReason
from service.model.record import Done, Message, Record
from service.pipeline.messages import dead_letter
from service.ports.turns import Turns


class DeliveryBatch:
    """The deliveries of a batch, each once, with its records. Records that cannot be decoded are dead letters.

    A record that is read again may be in one batch with that of the next attempt. The later attempt is kept, since the
    earlier one has been made; of one attempt the later record, which has the time that an operator has set.
    """

    def __init__(self) -> None:
        self.records: dict[str, list[Record]] = {}
        self.deliveries: dict[str, Delivery] = {}
        self.refused = Done([])

    @classmethod
    async def read(
        cls, records: Sequence[Record], catalogue: Catalogue, dead_letter_topic: str, stage: str
    ) -> Self:
        """Return the deliveries of these records. One of a type that is not declared is a dead letter, too."""
        batch, turns = cls(), Turns()
        refused: list[Record] = []
        dead_letters: list[Message] = []
        for record in records:
            await turns.worked(len(record.value or b""))
            try:
                delivery = Delivery.from_bytes(record.value)
                if catalogue.of_delivery(delivery.type) is None:
                    raise InvalidEvent(DeadReason.unknown_type, ascii(delivery.type[:128]))
            except InvalidEvent as invalid:
                reason = invalid
            except ValueError as error:
                reason = InvalidEvent(DeadReason.invalid_data, str(error))
            else:
                if delivery.attempt >= batch.deliveries.setdefault(delivery.id, delivery).attempt:
                    batch.deliveries[delivery.id] = delivery
                batch.records.setdefault(delivery.id, []).append(record)
                continue
            refused.append(record)
            dead_letters.append(dead_letter(dead_letter_topic, stage, record, reason))
        batch.refused = Done(refused, dead_letters)
        return batch

    def records_of(self, delivery_ids: Iterable[str]) -> list[Record]:
        """Return all records of these deliveries."""
        return [record for delivery_id in delivery_ids for record in self.records[delivery_id]]
