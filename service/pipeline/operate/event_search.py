"""Events as upstream services have published them, newest first, with what resolve makes of each."""

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import NamedTuple

from service.model.catalogue import Catalogue
from service.model.event import ClockBound, Event, InvalidEvent
from service.model.reasons import DeadReason
from service.model.record import Record
from service.pipeline.operate.cursors import cursor_of, positions_in
from service.pipeline.resolve import ingest
from service.ports import RecordLog

_MOST_READ = 50_000
"""Records that are read for one page."""


@dataclass(frozen=True, slots=True)
class EventFilter:
    """A filter for events; an empty set matches everything. `refused`: only events that resolve refuses."""

    types: frozenset[str] = frozenset()
    sources: frozenset[str] = frozenset()
    since_ms: int = 0
    refused: bool = False


class FoundEvent(NamedTuple):
    """A record of an event's topic. `key`, `id`, `source` and `type` are empty for one that cannot be read.

    `reason`: why resolve refuses it; None for an event that it takes. `withdrawal`: it withdraws another event.
    """

    record: Record
    key: str = ""
    id: str = ""
    source: str = ""
    type: str = ""
    time_ms: int = 0
    named: int = 0
    withdrawal: bool = False
    reason: DeadReason | None = None
    detail: str = ""


class EventPage(NamedTuple):
    """A page of events. `next` is the cursor of the next page, or empty; a page may be short and have one."""

    events: list[FoundEvent]
    next: str


class EventSearch:
    """Search of events on the topics `events` and those that match `pattern`. Every method raises Unavailable."""

    def __init__(
        self, log: RecordLog, catalogue: Catalogue, events: Sequence[str], pattern: str, bound: ClockBound
    ) -> None:
        self._log = log
        self._catalogue = catalogue
        self._events = events
        self._pattern = pattern
        self._bound = bound

    async def page(self, chosen: EventFilter, limit: int, cursor: str = "") -> EventPage:
        """Return a page of the events that match. Raise ValueError for a cursor that is none of this list."""
        topics = [*self._events, *await self._log.matching(self._pattern)] if self._pattern else self._events
        positions = dict(
            positions_in(cursor, frozenset(topics))
            if cursor
            else await self._log.ends(list(dict.fromkeys(topics)))
        )
        found: list[FoundEvent] = []
        read = 0
        async with aclosing(self._log.newest(positions)) as records:
            async for record in records:
                if record.timestamp_ms < chosen.since_ms:
                    break
                if len(found) == limit or read == _MOST_READ:
                    return EventPage(found, cursor_of(positions))
                read += 1
                positions[record.topic, record.partition] = record.offset
                event = self._event_in(record)
                if _matches(event, chosen):
                    found.append(event)
        return EventPage(found, "")

    def _event_in(self, record: Record) -> FoundEvent:
        try:
            event = ingest.parse(
                record.value, record.headers, self._catalogue, record.timestamp_ms, bound=self._bound
            )
        except InvalidEvent as error:
            return FoundEvent(record, reason=error.reason, detail=str(error))
        head = FoundEvent(record, event.key, event.id, event.source, time_ms=event.time_ms)
        if isinstance(event, Event):
            return head._replace(type=event.type, named=len(event.recipients or ()))
        return head._replace(withdrawal=True)


def _matches(event: FoundEvent, chosen: EventFilter) -> bool:
    return (
        (not chosen.types or event.type in chosen.types)
        and (not chosen.sources or event.source in chosen.sources)
        and (not chosen.refused or event.reason is not None)
    )
