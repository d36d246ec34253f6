"""Outcomes as Kafka keeps them: what relays have said to messages that they accepted."""

import asyncio
from collections.abc import Mapping, Sequence
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
        """Return the outcomes of accepted messages, by delivery id and time (ms), in the order of `sent`.

        What is not found in three seconds is left out, and so is everything while Kafka cannot be reached.
        """
        found: dict[tuple[str, int], Outcome] = {}
        if sent:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._timeout_s):
                    try:
                        await self._find(dict.fromkeys(sent), found)
                    except Unavailable as error:
                        log.warning("outcomes_unavailable", error=str(error))
        return found

    async def _find(self, wanted: dict[tuple[str, int], None], found: dict[tuple[str, int], Outcome]) -> None:
        count = (await partition_counts(self._connection)).get(self._topic, 0)
        partitions = [TopicPartition(self._topic, n) for n in range(count)]
        if not partitions:
            return
        client = reader(self._connection, fetch_wait_ms=_POLL_MS)
        try:
            async with kafka_errors(self._connection):
                await client.start()
                client.assign(partitions)
                ends = await ends_of(client, partitions)
                for _, at_ms in [*wanted]:
                    if not wanted.keys() <= found.keys():
                        await self._read_around(client, ends, at_ms, wanted, found)
        finally:
            await client.stop()

    async def _read_around(
        self,
        client: AIOKafkaConsumer,
        ends: Mapping[TopicPartition, int],
        at_ms: int,
        wanted: dict[tuple[str, int], None],
        found: dict[tuple[str, int], Outcome],
    ) -> None:
        """Read the records of the time around one outcome, until it is found; note all that are wanted."""
        if all(key in found for key in wanted if key[1] == at_ms):
            return
        starts = await client.offsets_for_times(dict.fromkeys(ends, max(1, at_ms - _SKEW_MS)))
        unread = {tp: end for tp, end in ends.items() if starts.get(tp) and starts[tp].offset < end}
        for tp in ends:
            if tp in unread:
                client.seek(tp, starts[tp].offset)
                client.resume(tp)
            else:
                client.pause(tp)
        while unread:
            fetched = await client.getmany(timeout_ms=_POLL_MS, max_records=_MOST_RECORDS)
            for tp, records in fetched.items():
                for record in to_records(records):
                    _note(record.value or b"", wanted, found)
                if records and (
                    records[-1].offset + 1 >= unread.get(tp, 0) or records[-1].timestamp > at_ms + _DELAY_MS
                ):
                    unread.pop(tp, None)
                    client.pause(tp)
            if all(key in found for key in wanted if key[1] == at_ms):
                return


def _note(
    value: bytes, wanted: Mapping[tuple[str, int], None], found: dict[tuple[str, int], Outcome]
) -> None:
    if b'"sent"' not in value:
        return
    with suppress(ValueError):  # a read mark, or what another program wrote
        outcome = Outcome.from_bytes(value)
        key = (outcome.delivery, outcome.at_ms)
        if outcome.state is State.sent and key in wanted:
            found[key] = outcome
