"""Reads `dispatch.outcomes` after a run: which events ended, when, and whether any ended twice."""

from collections.abc import Mapping

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition

from service.model.ledger import State, is_open


async def read_final(
    consumer: AIOKafkaConsumer,
    start: Mapping[TopicPartition, int],
    end: Mapping[TopicPartition, int],
    run: str,
    final: str,
) -> tuple[dict[int, int], int]:
    """When each event of the run came to `final` (ms, by its number), and how many final states there are too many."""
    written = [tp for tp in start if end[tp] > start[tp]]
    if not written:
        return {}, 0
    consumer.assign(written)
    for tp in consumer.assignment():
        consumer.seek(tp, start[tp])
    finished: dict[int, int] = {}
    repeated, left = 0, sum(end[tp] - start[tp] for tp in start)
    while left > 0:
        for records in (await consumer.getmany(timeout_ms=1000)).values():
            left -= len(records)
            for record in records:
                told = orjson.loads(record.value)
                of_run, _, number = told["event_id"].rpartition("-")
                if of_run != run or is_open(State(told["state"])):
                    continue
                repeated += int(number) in finished or told["state"] != final
                # The mark of a mail is made when its 250 has come; an inbox entry is there when it is told.
                finished[int(number)] = told["at_ms"] if final == "sent" else record.timestamp
    consumer.unsubscribe()
    return finished, repeated
