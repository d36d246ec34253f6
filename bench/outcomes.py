"""Final states of a run's events, read from `dispatch.outcomes` after it."""

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
    """Return when each event of the run reached a final state (ms, by its number), and the number of wrong states.

    Wrong are a second final state of an event, and one other than `final`.
    """
    written = [tp for tp in start if end[tp] > start[tp]]
    if not written:
        return {}, 0
    consumer.assign(written)
    for tp in consumer.assignment():
        consumer.seek(tp, start[tp])
    finished: dict[int, int] = {}
    wrong, left = 0, sum(end[tp] - start[tp] for tp in start)
    while left > 0:
        for records in (await consumer.getmany(timeout_ms=1000)).values():
            left -= len(records)
            for record in records:
                outcome = orjson.loads(record.value)
                of_run, _, number = outcome["event_id"].rpartition("-")
                if of_run != run or is_open(State(outcome["state"])):
                    continue
                wrong += int(number) in finished or outcome["state"] != final
                # A message is `sent` when its 250 has come; an inbox entry exists when its outcome is recorded.
                finished[int(number)] = outcome["at_ms"] if final == "sent" else record.timestamp
    consumer.unsubscribe()
    return finished, wrong
