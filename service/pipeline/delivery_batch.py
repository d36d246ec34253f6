"""Decoding of dispatch records into deliveries."""

from collections.abc import Iterable, Sequence

from service.model.delivery import Delivery
from service.model.event import InvalidEvent
from service.model.reasons import DeadReason
from service.model.record import Done, Message, Record
from service.pipeline.messages import dead_letter


class DeliveryBatch:
    """The deliveries of a batch, each once, with its records. Records that cannot be decoded are dead letters.

    A record that is read again may be in one batch with that of the next attempt. The later attempt is kept, since the
    earlier one has been made.
    """

    def __init__(self, records: Sequence[Record], dead_letter_topic: str, stage: str) -> None:
        self.records: dict[str, list[Record]] = {}
        self.deliveries: dict[str, Delivery] = {}
        refused: list[Record] = []
        dead_letters: list[Message] = []
        for record in records:
            try:
                delivery = Delivery.from_bytes(record.value)
            except ValueError as error:
                refused.append(record)
                reason = InvalidEvent(DeadReason.invalid_data, str(error))
                dead_letters.append(dead_letter(dead_letter_topic, stage, record, reason))
            else:
                if delivery.attempt > self.deliveries.setdefault(delivery.id, delivery).attempt:
                    self.deliveries[delivery.id] = delivery
                self.records.setdefault(delivery.id, []).append(record)
        self.refused = Done(refused, dead_letters)

    def records_of(self, delivery_ids: Iterable[str]) -> list[Record]:
        """Return all records of these deliveries."""
        return [record for delivery_id in delivery_ids for record in self.records[delivery_id]]
