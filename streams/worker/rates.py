"""Live rates for operators: changes of state a minute, by state and type.

What resolve queues is counted by its dispatch record, all else by its outcome. Losing some does no harm.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import aclosing
from typing import Protocol

import structlog
from structlog.contextvars import bind_contextvars

from service.model.delivery import Delivery
from service.model.ledger import State
from service.model.outcome import Outcome
from service.model.record import Record
from service.model.topics import TopicNames
from service.ports import Unavailable
from streams.kafka.cancellation import raise_if_cancelled
from streams.kafka.connection import KafkaConnection
from streams.lifecycle import Service
from streams.reader.follow import UnknownTopic, follow

log = structlog.get_logger(__name__)

WINDOW_S = 60.0
_RETRY_S = 1.0
_OUTCOME = b'{"delivery":'


class LiveRates(Protocol):
    """The live rates of a worker with the stage `rates`."""

    def last_minute(self) -> Mapping[tuple[str, str], int]:
        """Return the outcomes by (state, type) of the current minute and the full one before it."""
        ...


class FollowedRates(Service):
    """The LiveRates of a worker without Faust: counted in memory, by following the topics outside any group.

    Each worker counts all of them, and begins with those of the last two minutes. When Kafka was away, it begins again.
    """

    name = "rates"

    def __init__(
        self, connection: KafkaConnection, topics: TopicNames, now_s: Callable[[], float] = time.time
    ) -> None:
        super().__init__()
        self.reason: str | None = "the topics have not been read yet"
        """Why nothing is counted; None while it is."""
        self._connection = connection
        self._names = [topics.outcomes, *sorted(topics.dispatches())]
        self._now_s = now_s
        self._windows: dict[int, Counter[tuple[str, str]]] = {}

    async def on_start(self) -> None:
        """Begin to count."""
        self.add_task(self._count_all())

    def last_minute(self) -> Mapping[tuple[str, str], int]:
        """Return the outcomes by (state, type) of the current minute and the full one before it."""
        newest = self._window(self._now_s())
        return sum((self._windows.get(window, Counter()) for window in (newest - 1, newest)), Counter())

    async def _count_all(self) -> None:
        bind_contextvars(stage=self.name)
        while not self.should_stop:
            self._windows.clear()
            since_ms = int(1000 * WINDOW_S * (self._window(self._now_s()) - 1))
            try:
                records = follow(self._connection, self._names, since_ms=since_ms, on_start=self._began)
                async with aclosing(records):
                    async for record in records:
                        self._count(record)
            except (Unavailable, UnknownTopic) as error:
                if self.reason is None:
                    log.warning("rates_wait", reason=str(error))
                self.reason = str(error)
            except (Exception, asyncio.CancelledError) as error:  # rates must never end a worker
                raise_if_cancelled()
                log.exception("rates_failed")
                self.reason = f"they failed: {type(error).__name__}"
            await self.sleep(_RETRY_S)

    def _began(self) -> None:
        self.reason = None

    def _count(self, record: Record) -> None:
        if record.value is None or (counted := state_and_type(record.value)) is None:
            return
        window = self._window(record.timestamp_ms / 1000)
        if window not in self._windows:
            oldest = self._window(self._now_s()) - 1
            self._windows = {known: counts for known, counts in self._windows.items() if known >= oldest}
            self._windows[window] = Counter()
        self._windows[window][counted] += 1

    @staticmethod
    def _window(at_s: float) -> int:
        return int(at_s // WINDOW_S)


def state_and_type(value: bytes) -> tuple[str, str] | None:
    """Return what a record is counted under; None for a later attempt, and for what the dead-letter topic reports."""
    try:
        if value.startswith(_OUTCOME):
            outcome = Outcome.from_bytes(value)
            return outcome.state, outcome.type
        delivery = Delivery.from_bytes(value)
    except ValueError:
        return None
    return None if delivery.attempt or delivery.replayed_ms else (State.queued, delivery.type)
