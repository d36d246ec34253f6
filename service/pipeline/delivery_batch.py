"""Reads dispatch records back into deliveries."""

from collections.abc import Sequence

from service.model.delivery import Delivery
from service.model.event import InvalidEvent
from service.model.reasons import DeadReason
from service.model.record import Done, Record
from service.pipeline.messages import dead_letter


class DeliveryBatch:
    """The deliveries of a batch, each once, with the records that stand for it; the rest as dead letters.

    A record that comes again may meet the one of the next attempt: this one is what is still to be done.
    """

    def __init__(self, records: Sequence[Record], dead_letter_topic: str, stage: str) -> None:
        self.records: dict[str, list[Record]] = {}
        self.deliveries: dict[str, Delivery] = {}
        refused: list[Record] = []
        letters = []
        for record in records:
            try:
                delivery = Delivery.from_bytes(record.value)
            except ValueError as error:
                refused.append(record)
                reason = InvalidEvent(DeadReason.invalid_data, str(error))
                letters.append(dead_letter(dead_letter_topic, stage, record, reason))
            else:
                if delivery.attempt > self.deliveries.setdefault(delivery.id, delivery).attempt:
                    self.deliveries[delivery.id] = delivery
                self.records.setdefault(delivery.id, []).append(record)
        self.refused = Done(refused, letters)

    def finish(self, ids: Sequence[str]) -> list[Record]:
        """All records that stand for these deliveries."""
        return [record for name in ids for record in self.records[name]]
