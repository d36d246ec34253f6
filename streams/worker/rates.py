"""Live rates for operators: changes of state a minute by state and type, from a Faust agent.

What resolve queues is counted by its dispatch record, all else by its outcome. Losing some does no harm.
"""

import time
from collections.abc import Mapping
from typing import Any

import faust

from service.model.delivery import Delivery
from service.model.ledger import State
from service.model.outcome import Outcome
from service.model.topics import TopicNames

_WINDOW_S = 60.0
_KEPT_S = 900.0
_OUTCOME = b'{"delivery":'


class Rates:
    """A windowed table in memory, fed from dispatch records and outcomes by an agent, kept by its changelog topic.

    `partitions` is the number of partitions of these topics: Faust requires the same for the table.
    """

    def __init__(self, app: faust.App, topics: TopicNames, partitions: int) -> None:
        self._window = faust.TumblingWindow(_WINDOW_S, expires=_KEPT_S)
        table = app.Table("rates", default=int, partitions=partitions)
        self._table = table.using_window(self._window, key_index=True)
        names = [topics.outcomes, *sorted(topics.dispatches())]
        source = app.topic(
            *names, value_type=bytes, value_serializer="raw", key_type=bytes, key_serializer="raw"
        )
        app.agent(source, name="rates")(self._count)

    async def _count(self, stream: Any) -> None:
        async for value in stream:
            if (counted := _state_and_type(value)) is not None:
                self._table["/".join(counted)] += 1

    def last_minute(self) -> Mapping[tuple[str, str], int]:
        """Return the outcomes by (state, type) of the current minute and the full one before it."""
        now_s = time.time()
        windows = self._window.current(now_s), self._window.current(now_s - _WINDOW_S)
        rates = {}
        for key in list(self._table):
            state, _, notification_type = key.partition("/")
            rates[state, notification_type] = sum(self._table[key][window] for window in windows)
        return rates


def _state_and_type(value: bytes) -> tuple[str, str] | None:
    """Return what a record is counted under; None for a later attempt, and for what the dead-letter topic reports."""
    try:
        if value.startswith(_OUTCOME):
            outcome = Outcome.from_bytes(value)
            return outcome.state, outcome.type
        delivery = Delivery.from_bytes(value)
    except ValueError:
        return None
    return None if delivery.attempt or delivery.replayed_ms else (State.queued, delivery.type)
