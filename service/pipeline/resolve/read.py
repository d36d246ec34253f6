"""The candidates of a batch of events, in bounded parts; a wide event continues where another worker has ended."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

from service.model.catalogue import NotificationType
from service.model.channels import CHANNELS
from service.model.record import Record
from service.pipeline.resolve.audience import (
    FIRST,
    AudiencePosition,
    Candidate,
    add_lookup_keys,
    candidates,
    further_candidates,
    has_further,
)
from service.pipeline.resolve.decide import EventInProgress, decide_deliveries, longest_wait_s
from service.ports import MANY, Clock, EventHead, EventPosition, FanOut, FanOuts, LookupKeys, Tables

_LOOKUP_WEIGHT, _ACCOUNT_WEIGHT = 5000, 50


@dataclass(slots=True)
class IncomingEvent(EventInProgress):
    """An event in progress, with the record that it came in."""

    record: Record = field(kw_only=True)
    deliveries: int = 0

    @property
    def head(self) -> EventHead:
        """Return what the ledger keeps of the event."""
        kept_s = self.notification_type.kept_s + longest_wait_s(self.event, self.notification_type)
        return EventHead(self.event, kept_s, self.deliveries, self.position)

    @property
    def position(self) -> EventPosition:
        """Return where the event's record is."""
        return EventPosition(self.record.topic, self.record.partition, self.record.offset)


class AudiencePart(NamedTuple):
    """Some candidates of an event; None stands for none, so that the event's head gets into the ledger.

    Without any, a page was passed over that had been dispatched before.

    `after`: of a wide event, the position after them. `last`: the event has no more.
    """

    incoming: IncomingEvent
    candidates: Sequence[Candidate | None] = ()
    after: AudiencePosition | None = None
    last: bool = False


Reached = Mapping[str, tuple[IncomingEvent, AudiencePosition | None]]
"""By event: how far it has been dispatched; None for the whole of it."""


class AudienceReader:
    """Reads the rows of audiences."""

    def __init__(self, tables: Tables, fan_outs: FanOuts, clock: Clock) -> None:
        self._tables = tables
        self._fan_outs = fan_outs
        self._clock = clock

    async def read(self, events: Sequence[IncomingEvent]) -> AsyncIterator[AudiencePart]:
        """Yield the candidates of each event, up to some thousand at a time, and at its end a part that is the last.

        What was dispatched of a wide event before is left out. Raise Unavailable.
        """
        for together in _looked_up_together(events):
            keys = LookupKeys()
            for incoming in together:
                add_lookup_keys(incoming.event, incoming.notification_type, keys)
            rows = await self._tables.lookup(keys)
            for incoming in together:
                event, notification_type = incoming.event, incoming.notification_type
                first = list(candidates(event, notification_type, rows))
                if not has_further(event, notification_type, rows):
                    reminders = notification_type.reminders.most if notification_type.reminders else 0
                    incoming.deliveries = len(first) * (len(CHANNELS) + reminders)
                    yield AudiencePart(incoming, first or (None,))
                    yield AudiencePart(incoming, last=True)
                    continue
                incoming.deliveries = MANY
                incoming.widen()
                dispatched = await self._dispatched(incoming)
                if dispatched is None:
                    yield AudiencePart(incoming, first or (None,))
                else:
                    self._note(incoming, first)
                async for after, matches in further_candidates(event, notification_type, rows, self._tables):
                    if dispatched is not None and after <= dispatched:
                        self._note(incoming, matches)
                        yield AudiencePart(incoming)
                    else:
                        yield AudiencePart(incoming, matches, after)
                yield AudiencePart(incoming, last=True)

    def save(self, reached: Reached) -> Callable[[], Awaitable[None]] | None:
        """Return what saves how far these wide events have been dispatched; None without any."""
        return partial(self._save, reached) if reached else None

    async def _save(self, reached: Reached) -> None:
        for event, (incoming, after) in reached.items():
            if after is None:
                await self._fan_outs.drop(event)
            else:
                fan_out = FanOut(incoming.position, _form(incoming.notification_type), *after)
                await self._fan_outs.put(event, fan_out)

    async def _dispatched(self, incoming: IncomingEvent) -> AudiencePosition | None:
        """Return how far this record of the event has been dispatched; None if it has not begun."""
        saved = await self._fan_outs.get(incoming.event.key)
        if saved is None or saved[:2] != (incoming.position, _form(incoming.notification_type)):
            return None
        return AudiencePosition(saved.rule, saved.cursor)

    def _note(self, incoming: IncomingEvent, matches: Sequence[Candidate]) -> None:
        """Decide on candidates that were dispatched before: what comes after them depends on who was found."""
        now_ms = self._clock.now_ms()
        for candidate in matches:
            for _ in decide_deliveries(incoming, candidate, now_ms):
                pass


def _form(notification_type: NotificationType) -> str:
    """Return the rules of a type, in which a position says how far they have been read."""
    return ",".join(f"{rule.kind}:{rule.role or ''}" for rule in notification_type.audience)


def _looked_up_together(events: Sequence[IncomingEvent]) -> Iterator[Sequence[IncomingEvent]]:
    """Yield the events in parts whose rows are held in memory at a time: some thousand recipients, 100 accounts."""
    part: list[IncomingEvent] = []
    weight = 0
    for incoming in events:
        event = incoming.event
        weight += 1 + min(len(event.recipients or ()), FIRST) + (_ACCOUNT_WEIGHT if event.account else 0)
        part.append(incoming)
        if weight >= _LOOKUP_WEIGHT:
            yield part
            part, weight = [], 0
    if part:
        yield part
