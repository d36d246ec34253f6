"""What if: who would be notified of an event, or what a change would have changed. Writes nothing, sends nothing.

The finding and the deciding are those of resolve and of the last look before sending.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, NamedTuple

from service.model.catalogue import Catalogue
from service.model.channels import CHANNELS
from service.model.delivery import Delivery
from service.model.event import Event, InvalidEvent
from service.model.ledger import State
from service.model.record import Record
from service.pipeline.email.recheck import recheck
from service.pipeline.operate.table_overlay import OverlaidTables, TableOverlay
from service.pipeline.resolve import ingest
from service.pipeline.resolve.audience import Candidate, candidates, role_members, want
from service.pipeline.resolve.decide import EventInProgress, decide_deliveries
from service.pipeline.resolve.precedence import Decision
from service.ports import Clock, EventLog, Inbox, LookupKeys, Tables

_CHUNK = 500
_MOST_SHOWN = 1000
_DAY_MS = 86_400_000


class PredictedDelivery(NamedTuple):
    """A delivery as it would be, and the verdict on it."""

    delivery: Delivery
    verdict: Decision


class WhatIf:
    """Answers with documents as JSON can hold them; addresses are in `address` fields, for the border to mask."""

    def __init__(
        self, catalogue: Catalogue, tables: Tables, inbox: Inbox, log: EventLog, clock: Clock
    ) -> None:
        self._catalogue = catalogue
        self._tables = tables
        self._inbox = inbox
        self._log = log
        self._clock = clock

    async def event(self, event: Event, limit: int = _MOST_SHOWN) -> dict[str, Any]:
        """Who would get what of an event, and by which rule. Raises Unavailable."""
        shown: list[dict[str, Any]] = []
        counts: dict[str, int] = {}
        async for would in self._wouldbe(event, self._tables, self._clock.now_ms()):
            counts[would.verdict.state] = counts.get(would.verdict.state, 0) + 1
            if len(shown) < limit:
                shown.append(_would(would))
        return {"event": _head(event), "would": shown, "counts": counts}

    async def change(self, change: TableOverlay, days: float, limit: int = _MOST_SHOWN) -> dict[str, Any]:
        """What a change would have changed in the last days' events, judged by the tables as they are now.

        Only events of the types that the change names are looked at. Raises Unavailable.
        """
        changed, types = OverlaidTables(self._tables, change), change.types
        looked, differences, counts = 0, list[dict[str, Any]](), {"more": 0, "fewer": 0}
        seen: set[str] = set()
        async for record in self._log.since(max(1, self._clock.now_ms() - round(days * _DAY_MS))):
            event = self._event(record)
            if event is None or event.type not in types or event.key in seen:
                continue
            seen.add(event.key)
            looked += 1
            for one in await self._differences(event, changed):
                counts["more" if one["after"]["state"] == State.queued else "fewer"] += 1
                if len(differences) < limit:
                    differences.append(one)
        return {"events": looked, "counts": counts, "differences": differences}

    def _event(self, record: Record) -> Event | None:
        try:
            event = ingest.parse(record.value, record.headers, self._catalogue, record.timestamp_ms)
        except InvalidEvent:
            return None
        return event if isinstance(event, Event) else None

    async def _differences(self, event: Event, changed: Tables) -> list[dict[str, Any]]:
        """The recipient × channel of an event that would be notified in one case and not in the other."""
        before, after = [
            {(w.delivery.recipient, w.delivery.channel): w async for w in self._wouldbe(event, tables, None)}
            for tables in (self._tables, changed)
        ]
        nothing = {"state": "", "reason": "not_found", "why": "no rule finds them"}
        return [
            {
                "event": _head(event),
                "recipient": key[0],
                "channel": key[1].value,
                "before": _verdict(before[key]) if key in before else nothing,
                "after": _verdict(after[key]) if key in after else nothing,
            }
            for key in dict.fromkeys([*before, *after])
            if _notified(before.get(key)) != _notified(after.get(key))
        ]

    async def _wouldbe(
        self, event: Event, tables: Tables, now_ms: int | None
    ) -> AsyncIterator[PredictedDelivery]:
        """Everybody's verdict; without a time, as of when the event came."""
        at_ms = event.received_ms if now_ms is None else now_ms
        case = EventInProgress(event, self._catalogue[event.type])
        async for found in self._found(case, tables):
            verdicts = [pair for candidate in found for pair in decide_deliveries(case, candidate, at_ms)]
            mail = [d for d, v in verdicts if v.state is State.queued and CHANNELS[d.channel].suppressible]
            last = await recheck(mail, self._catalogue, tables, _NoSupersedes(), self._inbox, now_ms=at_ms)
            looked = {checked.delivery.id: checked.verdict for checked in last}
            for delivery, verdict in verdicts:
                yield PredictedDelivery(delivery, looked.get(delivery.id, verdict))

    async def _found(self, case: EventInProgress, tables: Tables) -> AsyncIterator[Sequence[Candidate]]:
        """The candidates of an event, some hundreds at a time."""
        wanted = LookupKeys()
        want(case.event, case.row, wanted)
        rows = await tables.lookup(wanted)
        first = list(candidates(case.event, case.row, rows))
        for start in range(0, len(first), _CHUNK):
            yield first[start : start + _CHUNK]
        for role, page in rows.roles.items():
            cursor = page.cursor
            while cursor is not None:
                more = await tables.role(role, cursor, _CHUNK)
                yield list(role_members(role, more.members))
                cursor = more.cursor


class _NoSupersedes:
    """The Supersedes port where nothing supersedes anything: an event is judged by itself."""

    async def supersede(self, items: Sequence[tuple[str, str, int]]) -> Sequence[str]:
        """Each is its own newest."""
        return [event for _, event, _ in items]

    async def newest(self, keys: Sequence[str]) -> Sequence[str | None]:
        """There is none."""
        return [None] * len(keys)


def _notified(would: PredictedDelivery | None) -> bool:
    return would is not None and would.verdict.state is State.queued


def _head(event: Event) -> Mapping[str, Any]:
    return {
        "key": event.key,
        "id": event.id,
        "source": event.source,
        "type": event.type,
        "time_ms": event.time_ms,
    }


def _verdict(would: PredictedDelivery) -> dict[str, Any]:
    state, reason, why = would.verdict
    return {"state": state.value, "reason": reason.value, "why": why}


def _would(would: PredictedDelivery) -> dict[str, Any]:
    delivery = would.delivery
    return {
        "recipient": delivery.recipient,
        "channel": delivery.channel.value,
        "found": delivery.rule.value,
        "scope": delivery.matched,
        "address": delivery.address,
        **_verdict(would),
    }
