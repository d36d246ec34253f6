"""Live rates for operators: outcomes a minute by state and type, from a Faust agent. Losing some does no harm."""

import time
from collections.abc import Mapping
from typing import Any

import faust

from service.model.outcome import Outcome

_WINDOW_S = 60.0
_KEPT_S = 900.0


class Rates:
    """A windowed table in memory, fed from the outcomes by an agent, kept over restarts by its changelog topic.

    `partitions` is the number of partitions of the outcomes topic: Faust requires the same for the table.
    """

    def __init__(self, app: faust.App, outcomes: str, partitions: int) -> None:
        self._window = faust.TumblingWindow(_WINDOW_S, expires=_KEPT_S)
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
                continue  # the dead-letter topic and rebuild report such records
            self._table[f"{outcome.state}/{outcome.type}"] += 1

    def last_minute(self) -> Mapping[tuple[str, str], int]:
        """Return the outcomes by (state, type) of the current minute and the full one before it."""
        now_s = time.time()
        windows = self._window.current(now_s), self._window.current(now_s - _WINDOW_S)
        rates = {}
        for key in list(self._table):
            state, _, notification_type = key.partition("/")
            rates[state, notification_type] = sum(self._table[key][window] for window in windows)
        return rates
