"""The load: events as fast as Kafka takes them, or at a fixed rate whether or not anyone keeps up."""

import asyncio
import time
from collections.abc import Sequence
from zlib import crc32

from aiokafka import AIOKafkaProducer

from bench.cases import Case

_BATCH = 400
_TICK_S = 0.005


class Load:
    """One producer. Open it before measuring."""

    def __init__(self, bootstrap: str) -> None:
        self._client = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", linger_ms=0)

    async def start(self) -> None:
        """Connect."""
        await self._client.start()

    async def stop(self) -> None:
        """Disconnect."""
        await self._client.stop()

    async def flood(self, topic: str, events: Sequence[tuple[bytes, bytes]]) -> None:
        """All events at once; returns when Kafka has them."""
        partitions = len(await self._client.partitions_for(topic))
        spread: list[list[tuple[bytes, bytes]]] = [[] for _ in range(partitions)]
        for key, value in events:
            spread[crc32(key) % partitions].append((key, value))
        sent = []
        for start in range(0, max(map(len, spread)), _BATCH):
            for partition, mine in enumerate(spread):
                if part := mine[start : start + _BATCH]:
                    batch = self._client.create_batch()
                    for key, value in part:
                        if batch.append(key=key, value=value, timestamp=None) is None:
                            sent.append(await self._client.send_batch(batch, topic, partition=partition))
                            batch = self._client.create_batch()
                            batch.append(key=key, value=value, timestamp=None)
                    sent.append(await self._client.send_batch(batch, topic, partition=partition))
        await asyncio.gather(*sent)

    async def steady(self, topic: str, case: Case, run: str, events: int, rate: float) -> list[int]:
        """One event every 1/rate seconds by the clock, never waiting for an answer; when each was produced (ms)."""
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
