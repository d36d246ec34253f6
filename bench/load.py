"""The load: events as fast as Kafka accepts them, or at a fixed rate even when the pipeline falls behind."""

import asyncio
import time
from collections.abc import Sequence
from zlib import crc32

from aiokafka import AIOKafkaProducer

from bench.cases import Case

_BATCH = 400
_TICK_S = 0.005


class Load:
    """One producer. Start it before measuring."""

    def __init__(self, bootstrap: str) -> None:
        self._client = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", linger_ms=0)

    async def start(self) -> None:
        """Connect to Kafka."""
        await self._client.start()

    async def stop(self) -> None:
        """Disconnect from Kafka."""
        await self._client.stop()

    async def flood(self, topic: str, events: Sequence[tuple[bytes, bytes]]) -> None:
        """Publish all events at once; return when Kafka has acknowledged them."""
        partitions = len(await self._client.partitions_for(topic))
        by_partition: list[list[tuple[bytes, bytes]]] = [[] for _ in range(partitions)]
        for key, value in events:
            by_partition[crc32(key) % partitions].append((key, value))
        sent = []
        for start in range(0, max(map(len, by_partition)), _BATCH):
            for partition, records in enumerate(by_partition):
                if part := records[start : start + _BATCH]:
                    batch = self._client.create_batch()
                    for key, value in part:
                        if batch.append(key=key, value=value, timestamp=None) is None:
                            sent.append(await self._client.send_batch(batch, topic, partition=partition))
                            batch = self._client.create_batch()
                            batch.append(key=key, value=value, timestamp=None)
                    sent.append(await self._client.send_batch(batch, topic, partition=partition))
        await asyncio.gather(*sent)

    async def steady(self, topic: str, case: Case, run: str, events: int, rate: float) -> list[int]:
        """Publish one event every 1/rate seconds by the clock; return the times (ms) at which they were produced.

        Acknowledgements are awaited at the end only.
        """
        produced: list[int] = []
        sent: list[asyncio.Future[object]] = []
        first = time.monotonic()
        while len(produced) < events:
            due = min(events, int((time.monotonic() - first) * rate) + 1)
            while len(produced) < due:
                key, value = case.event(run, len(produced))
                produced.append(time.time_ns() // 1_000_000)
                sent.append(await self._client.send(topic, value=value, key=key))
            await asyncio.sleep(_TICK_S / 5)
        await asyncio.gather(*sent)
        return produced
