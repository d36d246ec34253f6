"""Completion of option values in a shell: types, states, reasons, topics, ids. Never fails, never takes long.

Values that only Kafka knows are those of its newest records, as far as they arrive in half a second.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING

from service.model.catalogue import Lane
from service.model.channels import CHANNELS, Channel
from service.model.ledger import State
from service.model.reasons import DeadReason, Reason
from service.model.topics import TABLES, TopicNames

if TYPE_CHECKING:
    from service.model.record import Record
    from service.ports import RecordLog

_TIMEOUT_S = 0.5
_MOST_RECORDS = 500
_MOST_VALUES = 50


def complete_type(incomplete: str) -> list[tuple[str, str]]:
    """Return notification types with their titles, from the files of the catalogue."""
    import tomllib

    from service.adapters.template_files import catalogue_paths, template_directories
    from service.settings import load

    types: dict[str, str] = {}
    with suppress(Exception):
        for directory in reversed(template_directories(load().templates)):
            for file in catalogue_paths(directory):
                for name, table in tomllib.loads(file.read_text("utf-8")).items():
                    types[name] = str(table.get("title") or types.get(name, ""))
    return [(name, title) for name, title in types.items() if name.startswith(incomplete)]


def complete_state(incomplete: str) -> list[str]:
    """Return states of deliveries."""
    return _beginning(State, incomplete)


def complete_reason(incomplete: str) -> list[tuple[str, str]]:
    """Return reasons for the states of deliveries, with their sentences."""
    return [(reason.value, reason.text) for reason in Reason if reason and reason.startswith(incomplete)]


def complete_dead_reason(incomplete: str) -> list[tuple[str, str]]:
    """Return reasons of dead letters, with their sentences."""
    return [(reason.value, reason.text) for reason in DeadReason if reason.startswith(incomplete)]


def complete_channel(incomplete: str) -> list[str]:
    """Return channels."""
    return _beginning(Channel, incomplete)


def complete_topic(incomplete: str) -> list[str]:
    """Return the short names of topics."""
    lanes = [f"{channel}.{lane}" for channel in Channel for lane in Lane if CHANNELS[channel].lanes]
    names = ["outcomes", "dead-letter", "audit", "events", *Channel, *lanes]
    return _beginning([*names, *(f"tables.{table}" for table in TABLES)], incomplete)


def complete_event(incomplete: str) -> list[str]:
    """Return ids of the events of the newest outcomes."""
    return _recent(incomplete, lambda topics: topics.outcomes, lambda outcome: outcome.get("event_id"))


def complete_recipient(incomplete: str) -> list[str]:
    """Return recipients of the newest outcomes."""
    return _recent(incomplete, lambda topics: topics.outcomes, lambda outcome: outcome.get("recipient"))


def complete_dead_letter(incomplete: str) -> list[str]:
    """Return ids of the newest dead letters."""
    with suppress(Exception):
        return _run(incomplete, lambda topics: topics.dead_letter, _position)
    return []


def complete_profile(incomplete: str) -> list[str]:
    """Return the names of profiles."""
    from service.settings.origins import profile_names

    return _beginning(profile_names(), incomplete)


def _beginning(values: Iterable[str], incomplete: str) -> list[str]:
    return [str(value) for value in values if value.startswith(incomplete)]


def _recent(
    incomplete: str, topic: Callable[[TopicNames], str], field: Callable[[dict[str, object]], object]
) -> list[str]:
    import orjson

    def value(record: "Record") -> str:
        document = orjson.loads(record.value or b"null")
        return str(field(document) or "") if isinstance(document, dict) else ""

    with suppress(Exception):
        return _run(incomplete, topic, value)
    return []


def _position(record: "Record") -> str:
    return f"{record.topic}:{record.partition}:{record.offset}"


def _run(incomplete: str, topic: Callable[[TopicNames], str], value: "Callable[[Record], str]") -> list[str]:
    from service.cli.support.factories import kafka_connection
    from service.settings import load
    from streams.reader.record_log import (
        KafkaRecordLog,  # before the time runs: it is half a second of imports
    )

    settings, values = load(), dict[str, None]()
    log = KafkaRecordLog(kafka_connection(settings))

    async def collect() -> None:
        async for record in _newest(log, topic(TopicNames(settings.kafka.prefix))):
            text = value(record)
            if text.isprintable() and text.startswith(incomplete) and text:
                values[text] = None
            if len(values) == _MOST_VALUES:
                return

    async def bounded() -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(collect(), _TIMEOUT_S)

    with suppress(Exception):  # what has arrived until then is still of use
        asyncio.run(bounded())
    return list(values)


async def _newest(log: "RecordLog", topic: str) -> "AsyncIterator[Record]":
    async with aclosing(log.newest(await log.ends([topic]))) as records:
        count = 0
        async for record in records:
            yield record
            if (count := count + 1) == _MOST_RECORDS:
                return
