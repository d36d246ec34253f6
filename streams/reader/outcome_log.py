"""Outcomes as Kafka keeps them: what relays have said to messages that they accepted."""

import asyncio
from collections.abc import Mapping, Sequence, Set
from contextlib import suppress

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition

from service.model.ledger import State
from service.model.outcome import Outcome
from service.ports import Unavailable
from streams.kafka.connection import KafkaConnection
from streams.kafka.errors import kafka_errors, partition_counts
from streams.kafka.reader import ends_of, reader
from streams.kafka.records import to_records

log = structlog.get_logger(__name__)

_Sent = tuple[str, int]
"""The id of a delivery, and when it was sent (ms)."""

_TIMEOUT_S = 3.0
_POLL_MS, _MOST_RECORDS = 200, 2000
_SKEW_MS, _DELAY_MS = 2000, 60_000
"""An outcome has the time of the worker's clock, and comes into Kafka some seconds later: after an outage, minutes."""


class KafkaOutcomeLog:
    """The OutcomeLog port on `dispatch.outcomes`."""

    def __init__(self, connection: KafkaConnection, topic: str, *, timeout_s: float = _TIMEOUT_S) -> None:
        self._connection = connection
        self._topic = topic
        self._timeout_s = timeout_s

    async def acceptances(self, sent: Sequence[tuple[str, int]]) -> Mapping[tuple[str, int], Outcome]:
        """Return the outcomes of accepted messages, by delivery id and time (ms); look for them in the order of `sent`.

        What is not found in three seconds is left out, and so is everything while Kafka cannot be reached.
        """
        found: dict[tuple[str, int], Outcome] = {}
        if sent:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._timeout_s):
                    try:
                        await self._find(sent, found)
                    except Unavailable as error:
                        log.warning("outcomes_unavailable", error=str(error))
        return found

    async def _find(self, sent: Sequence[_Sent], found: dict[_Sent, Outcome]) -> None:
        count = (await partition_counts(self._connection)).get(self._topic, 0)
        partitions = [TopicPartition(self._topic, n) for n in range(count)]
        if not partitions:
            return
        client, wanted = reader(self._connection, fetch_wait_ms=_POLL_MS), frozenset(sent)
        try:
            async with kafka_errors(self._connection):
                await client.start()
                client.assign(partitions)
                ends = await ends_of(client, partitions)
                for one in sent:
                    if one not in found:
                        await _read_around(client, ends, one, wanted, found)
        finally:
            await client.stop()


async def _read_around(
    client: AIOKafkaConsumer,
    ends: Mapping[TopicPartition, int],
    one: _Sent,
    wanted: Set[_Sent],
    found: dict[_Sent, Outcome],
) -> None:
    """Read the records of the time around one outcome, until it is found; note all that are wanted."""
    _, at_ms = one
    starts = await client.offsets_for_times(dict.fromkeys(ends, max(1, at_ms - _SKEW_MS)))
    unread = {tp: end for tp, end in ends.items() if starts.get(tp) and starts[tp].offset < end}
    client.pause(*(ends.keys() - unread.keys()))
    client.resume(*unread)
    for tp in unread:
        client.seek(tp, starts[tp].offset)
    while unread and one not in found:
        fetched = await client.getmany(timeout_ms=_POLL_MS, max_records=_MOST_RECORDS)
        for tp, records in fetched.items():
            for record in to_records(records):
                _note(record.value or b"", wanted, found)
            if records and (
                records[-1].offset + 1 >= unread.get(tp, 0) or records[-1].timestamp > at_ms + _DELAY_MS
            ):
                unread.pop(tp, None)
                client.pause(tp)


def _note(value: bytes, wanted: Set[_Sent], found: dict[_Sent, Outcome]) -> None:
    if b'"sent"' not in value:
        return
    with suppress(ValueError):  # a read mark, or what another program wrote
        outcome = Outcome.from_bytes(value)
        key = (outcome.delivery, outcome.at_ms)
        if outcome.state is State.sent and key in wanted:
            found[key] = outcome
