"""Publishing in the mode `ledger`: large batches, the records of a recipient in one partition, in order."""

import asyncio
from collections.abc import Iterable
from zlib import crc32

from faststream.kafka import KafkaBroker, KafkaPublishMessage

from bench.peers.ledger import Step
from bench.peers.modes import LEDGER
from bench.peers.records import Delivery, Outcome, encode

BATCH_BYTES = 1_000_000
_OVERHEAD_BYTES = 120  # of a record, with the header that FastStream adds


class Publisher:
    """Publishes to topics with a number of partitions."""

    def __init__(self, broker: KafkaBroker, partitions: int) -> None:
        self._broker = broker
        self._partitions = partitions

    async def publish_outcomes(self, closed: Iterable[tuple[Delivery, Step]]) -> None:
        """Publish the state of each delivery."""
        records = [
            (
                d.recipient,
                encode(
                    Outcome(
                        d.id, d.event_id, d.source, d.type, d.recipient, d.channel, s.state, s.at_ms, s.reason
                    )
                ),
            )
            for d, s in closed
        ]
        await self.publish(LEDGER.outcomes, records)

    async def publish(self, topic: str, records: Iterable[tuple[str, bytes]]) -> None:
        """Publish records by key, as large batches; return when Kafka has acknowledged them."""
        open_batches: dict[int, list[KafkaPublishMessage]] = {}
        sizes: dict[int, int] = {}
        batches: list[tuple[int, list[KafkaPublishMessage]]] = []
        for text, value in records:
            key = text.encode()
            partition, size = crc32(key) % self._partitions, len(key) + len(value) + _OVERHEAD_BYTES
            if partition not in open_batches or sizes[partition] + size > BATCH_BYTES:
                open_batches[partition], sizes[partition] = [], 0
                batches.append((partition, open_batches[partition]))
            open_batches[partition].append(KafkaPublishMessage(value, key=key))
            sizes[partition] += size
        await asyncio.gather(
            *(self._broker.publish_batch(*batch, topic=topic, partition=p) for p, batch in batches)
        )
