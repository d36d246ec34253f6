"""Live rates for operators: outcomes a minute by state and type. A light Faust agent; losing some does no harm."""

import time
from collections.abc import Mapping
from typing import Any

import faust

from service.model.outcome import Outcome

_WINDOW_SECONDS = 60.0
_KEPT_SECONDS = 900.0


class Rates:
    """A windowed table in memory, fed from the outcomes by an agent, kept over restarts by its changelog topic.

    `partitions` are those of the outcomes topic: Faust wants the table to have as many.
    """

    def __init__(self, app: faust.App, outcomes: str, partitions: int) -> None:
        self._window = faust.TumblingWindow(_WINDOW_SECONDS, expires=_KEPT_SECONDS)
        table = app.Table("rates", default=int, partitions=partitions)
        self._table = table.using_window(self._window, key_index=True)
        source = app.topic(
            outcomes, value_type=bytes, value_serializer="raw", key_type=bytes, key_serializer="raw"
        )
        app.agent(source, name="rates")(self._count)

    async def _count(self, stream: Any) -> None:
        async for value in stream:
            try:
                outcome = Outcome.from_bytes(value)
            except ValueError:
                continue  # not ours to report: the dead letters and the rebuild do
            self._table[f"{outcome.state}/{outcome.type}"] += 1

    def last_minute(self) -> Mapping[tuple[str, str], int]:
        """(state, type) to the outcomes of the running minute and of the full one before it."""
        now = time.time()
        windows = self._window.current(now), self._window.current(now - _WINDOW_SECONDS)
        rates = {}
        for key in list(self._table):
            state, _, type_ = key.partition("/")
            rates[state, type_] = sum(self._table[key][window] for window in windows)
        return rates
