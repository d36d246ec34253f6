"""The outcomes of a side: counted while a run is on, and read event by event after it."""

from typing import Self

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition

from service.model.ledger import State, is_open


class OutcomeLog:
    """A topic of outcomes, from the last `mark` on. Connect and disconnect it by `async with`."""

    def __init__(self, bootstrap: str, topic: str, partitions: int) -> None:
        self._consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest")
        self._partitions = [TopicPartition(topic, n) for n in range(partitions)]
        self._start: dict[TopicPartition, int] = {}

    async def __aenter__(self) -> Self:
        await self._consumer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._consumer.stop()

    async def mark(self) -> None:
        """Begin here."""
        self._start = await self._consumer.end_offsets(self._partitions)

    async def count(self) -> int:
        """Return the number of outcomes: an event has one, of its final state."""
        ends = await self._consumer.end_offsets(self._partitions)
        return sum(ends[tp] - self._start[tp] for tp in self._partitions)

    async def final(self, run: str, state: str) -> tuple[dict[int, int], int]:
        """Return when each event of the run was finished (ms, by its number), and the number of wrong states.

        Wrong are a second final state of an event, and one other than `state`.
        """
        ends = await self._consumer.end_offsets(self._partitions)
        written = [tp for tp in self._partitions if ends[tp] > self._start[tp]]
        if not written:
            return {}, 0
        self._consumer.assign(written)
        for tp in written:
            self._consumer.seek(tp, self._start[tp])
        finished: dict[int, int] = {}
        wrong, left = 0, sum(ends[tp] - self._start[tp] for tp in written)
        while left > 0:
            for records in (await self._consumer.getmany(timeout_ms=1000)).values():
                left -= len(records)
                for record in records:
                    outcome = orjson.loads(record.value)
                    of_run, _, number = outcome["event_id"].rpartition("-")
                    if of_run != run or is_open(State(outcome["state"])):
                        continue
                    wrong += int(number) in finished or outcome["state"] != state
                    # A message is `sent` when its 250 has come; an inbox entry exists when its outcome is recorded.
                    finished[int(number)] = outcome["at_ms"] if state == "sent" else record.timestamp
        self._consumer.unsubscribe()
        return finished, wrong
