"""What-if: predict the deliveries of an event, or how a change of tables would have changed those of past events.

Nothing is written or sent. Recipients are matched and deliveries decided by the code of resolve and of the recheck
before sending.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, NamedTuple

from service.model.catalogue import Catalogue
from service.model.channels import CHANNELS
from service.model.delivery import Delivery
from service.model.event import Event, InvalidEvent
from service.model.ledger import State
from service.model.record import Record
from service.pipeline.email.allowances import Allowances
from service.pipeline.email.recheck import recheck
from service.pipeline.operate.table_overlay import OverlaidTables, TableOverlay
from service.pipeline.resolve import ingest
from service.pipeline.resolve.audience import Candidate, add_lookup_keys, candidates, further_candidates
from service.pipeline.resolve.decide import EventInProgress, decide_deliveries
from service.pipeline.resolve.precedence import Decision, hold_scheduled
from service.ports import Clock, EventLog, Inbox, LookupKeys, Tables

_CHUNK = 500
_MAX_SHOWN = 1000
_DAY_MS = 86_400_000
_NOTIFIED = frozenset({State.queued, State.held})


class PredictedDelivery(NamedTuple):
    """A delivery as it would be made, and the decision on it."""

    delivery: Delivery
    decision: Decision

    @property
    def is_notified(self) -> bool:
        """Return whether the recipient would be notified, now or later."""
        return self.decision.state is State.queued or bool(self.decision.until_ms)


class WhatIf:
    """Predictions as documents that JSON can hold; addresses are in `address` fields, which the caller masks."""

    def __init__(
        self,
        catalogue: Catalogue,
        tables: Tables,
        inbox: Inbox,
        log: EventLog,
        *,
        allowances: Allowances,
        clock: Clock,
    ) -> None:
        self._allowances = allowances
        self._catalogue = catalogue
        self._tables = tables
        self._inbox = inbox
        self._log = log
        self._clock = clock

    async def event(self, event: Event, limit: int = _MAX_SHOWN) -> dict[str, Any]:
        """Return the predicted deliveries of an event, each with the rule that matched. Raise Unavailable."""
        shown: list[dict[str, Any]] = []
        counts: dict[str, int] = {}
        async for predicted in self._predict(event, self._tables, self._clock.now_ms()):
            state = predicted.decision.state.value
            counts[state] = counts.get(state, 0) + 1
            if len(shown) < limit:
                shown.append(_delivery_document(predicted))
        return {"event": _event_document(event), "would": shown, "counts": counts}

    async def change(self, change: TableOverlay, days: float, limit: int = _MAX_SHOWN) -> dict[str, Any]:
        """Return how a change would have changed the deliveries of the last days' events.

        Events are decided by the tables as they are now, and only those of the types that the change names. Raise
        Unavailable.
        """
        changed, types = OverlaidTables(self._tables, change), change.types
        checked, differences, counts = 0, list[dict[str, Any]](), {"more": 0, "fewer": 0}
        seen: set[str] = set()
        async for record in self._log.since(max(1, self._clock.now_ms() - round(days * _DAY_MS))):
            event = self._event(record)
            if event is None or event.type not in types or event.key in seen:
                continue
            seen.add(event.key)
            checked += 1
            for difference in await self._differences(event, changed):
                counts["more" if difference["after"]["state"] in _NOTIFIED else "fewer"] += 1
                if len(differences) < limit:
                    differences.append(difference)
        return {"events": checked, "counts": counts, "differences": differences}

    def _event(self, record: Record) -> Event | None:
        try:
            event = ingest.parse(
                record.value,
                record.headers,
                self._catalogue,
                record.timestamp_ms,
                now_ms=self._clock.now_ms(),
            )
        except InvalidEvent:
            return None
        return event if isinstance(event, Event) else None

    async def _differences(self, event: Event, changed: Tables) -> list[dict[str, Any]]:
        """Return the recipient × channel of an event that are notified only with, or only without, the change."""
        before, after = [
            {
                (p.delivery.recipient, p.delivery.channel, p.delivery.reminder): p
                async for p in self._predict(event, tables, None)
            }
            for tables in (self._tables, changed)
        ]
        return [
            {
                "event": _event_document(event),
                "recipient": key[0],
                "channel": key[1].value,
                "before": _decision_document(before.get(key)),
                "after": _decision_document(after.get(key)),
            }
            for key in dict.fromkeys([*before, *after])
            if (key in before and before[key].is_notified) != (key in after and after[key].is_notified)
        ]

    async def _predict(
        self, event: Event, tables: Tables, now_ms: int | None
    ) -> AsyncIterator[PredictedDelivery]:
        """Yield the predicted deliveries of an event; with `now_ms` None, as of the time when it was received."""
        at_ms = event.received_ms if now_ms is None else now_ms
        case = EventInProgress(event, self._catalogue[event.type])
        async for batch in self._candidates(case, tables):
            decided = [pair for candidate in batch for pair in decide_deliveries(case, candidate, at_ms)]
            mail = [
                d for d, first in decided if first.state is State.queued and CHANNELS[d.channel].suppressible
            ]
            # The order of the pipeline: resolve decides before the recheck, which decides queued mail once more.
            last = await recheck(mail, self._catalogue, tables, _NoSupersedes(), self._inbox, now_ms=at_ms)
            if now_ms is not None:  # how much mail there was in the past is not kept
                last = await self._allowances.predict(last, now_ms)
            rechecked = {checked.delivery.id: checked.decision for checked in last}
            for delivery, first in decided:
                scheduled = None
                if first.state is State.queued and not CHANNELS[delivery.channel].suppressible:
                    scheduled = hold_scheduled(delivery, at_ms)
                yield PredictedDelivery(delivery, rechecked.get(delivery.id, scheduled or first))

    async def _candidates(self, case: EventInProgress, tables: Tables) -> AsyncIterator[Sequence[Candidate]]:
        """Yield the candidates of an event, some hundreds at a time."""
        keys = LookupKeys()
        add_lookup_keys(case.event, case.notification_type, keys)
        rows = await tables.lookup(keys)
        first = list(candidates(case.event, case.notification_type, rows))
        for start in range(0, len(first), _CHUNK):
            yield first[start : start + _CHUNK]
        async for _, more in further_candidates(case.event, case.notification_type, rows, tables):
            yield more


class _NoSupersedes:
    """A SupersedeIndex that is always empty: an event is decided by itself."""

    async def supersede(self, items: Sequence[tuple[str, str, int]]) -> Sequence[str]:
        """Return each event as the newest of its key."""
        return [event for _, event, _ in items]

    async def newest(self, keys: Sequence[str]) -> Sequence[str | None]:
        """Return that no key has a newest event."""
        return [None] * len(keys)


def _event_document(event: Event) -> Mapping[str, Any]:
    return {
        "key": event.key,
        "id": event.id,
        "source": event.source,
        "type": event.type,
        "time_ms": event.time_ms,
    }


def _decision_document(predicted: PredictedDelivery | None) -> dict[str, Any]:
    """Return the decision on a delivery; None stands for a recipient that no rule matches."""
    if predicted is None:
        words = "no rule matches the recipient"
        return {
            "state": "",
            "reason": "not_found",
            "reason_text": words,
            "why": words,
            "until_ms": None,
            "digest": "",
        }
    decision = predicted.decision
    return {
        "state": decision.state.value,
        "reason": decision.reason.value,
        "reason_text": decision.reason.text,
        "why": decision.detail,
        "until_ms": decision.until_ms or None,
        "digest": decision.window.partition("|")[0],
    }


def _delivery_document(predicted: PredictedDelivery) -> dict[str, Any]:
    delivery = predicted.delivery
    return {
        "recipient": delivery.recipient,
        "channel": delivery.channel.value,
        "found": delivery.rule.value,
        "scope": delivery.matched,
        "reminder": delivery.reminder,
        "address": delivery.address,
        **_decision_document(predicted),
    }
