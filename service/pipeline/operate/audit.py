"""Audit: check that the ledger's sums balance and that due set and inboxes agree with it; optionally repair drift.

Workers run meanwhile, so an apparent drift is checked a second time before it is reported.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from service.model.ids import event_of_delivery
from service.model.ledger import (
    TRANSITIONS,
    Entry,
    HistoryStep,
    ReplayKind,
    State,
    is_open,
    sources_of,
)
from service.model.reasons import Reason
from service.pipeline.operate.digest_links import digest_id_of
from service.ports import Clock, DeliveryLog, DigestWindows, DueSet, Ledger, LedgerScan

_COMPLETE_STEPS = 10  # of longer histories the middle may have been cut out
_CHUNK = 500
_MAX_SHOWN = 1000


@dataclass(slots=True)
class Drift:
    """A disagreement about `name`: an `event:delivery`, or the recipient of an inbox."""

    kind: str
    name: str
    detail: str
    repaired: bool = False

    def document(self) -> dict[str, Any]:
        """Return the drift as JSON, under the names that `tocsin audit --json` publishes."""
        return {"kind": self.kind, "what": self.name, "said": self.detail, "repaired": self.repaired}


@dataclass(slots=True)
class AuditReport:
    """Counts and drift of an audit. `oldest`: time (ms) and name of the oldest delivery in each open state."""

    events: int = 0
    deliveries: int = 0
    waiting: int = 0
    inboxes: int = 0
    states: Counter[State] = field(default_factory=Counter)
    oldest: dict[State, tuple[int, str]] = field(default_factory=dict)
    drift: list[Drift] = field(default_factory=list)

    @property
    def left(self) -> int:
        """Return the number of drifts that are not repaired."""
        return sum(not drift.repaired for drift in self.drift)

    def document(self) -> dict[str, Any]:
        """Return the report as JSON."""
        final = {state.value: n for state, n in sorted(self.states.items()) if not is_open(state)}
        pending = {state.value: n for state, n in sorted(self.states.items()) if is_open(state)}
        return {
            "events": self.events,
            "resolved": self.deliveries,
            "final": final,
            "open": pending,
            "balanced": self.deliveries == sum(final.values()) + sum(pending.values()),
            "oldest_open": {
                state.value: {"since_ms": at_ms, "delivery": name}
                for state, (at_ms, name) in sorted(self.oldest.items())
            },
            "waiting": self.waiting,
            "inboxes": self.inboxes,
            "drift": [drift.document() for drift in self.drift[:_MAX_SHOWN]],
            "drift_left": self.left,
        }


class Auditor:
    """Auditor of a whole Redis.

    `patience_s`: how long a delivery may take from the due set to its stage before it counts as missing.
    """

    def __init__(
        self,
        ledger: Ledger,
        due: DueSet,
        windows: DigestWindows,
        scan: LedgerScan,
        clock: Clock,
        *,
        patience_s: float = 5.0,
    ) -> None:
        self._ledger = ledger
        self._due = due
        self._windows = windows
        self._scan = scan
        self._clock = clock
        self._patience_s = patience_s

    async def __call__(self, log: DeliveryLog | None = None) -> AuditReport:
        """Check everything; with a log also repair. Raise Unavailable."""
        report = AuditReport()
        suspects = await self._check_ledger(report)
        unneeded = await self._unneeded(report)
        if suspects or unneeded:
            await asyncio.sleep(self._patience_s)
        await self._report_missing(report, await self._still_missing(suspects), log)
        await self._report_unneeded(report, unneeded, repair=log is not None)
        await self._check_inboxes(report, repair=log is not None)
        return report

    async def _check_ledger(self, report: AuditReport) -> list[Entry]:
        """Count the ledger; return the deliveries that should be in the due set or in a digest and are not."""
        suspects: list[Entry] = []
        events: set[str] = set()
        async for entries, unreadable in self._scan.ledger():
            report.deliveries += len(entries) + len(unreadable)
            events.update(entry.event for entry in entries)
            report.drift += (Drift("ledger", name, "the row cannot be read") for name in unreadable)
            for entry in entries:
                self._check_entry(entry, report)
            suspects += await self._missing(entries)
        report.events = len(events)
        return suspects

    def _check_entry(self, entry: Entry, report: AuditReport) -> None:
        state, at_ms = entry.state, entry.newest_step.at_ms
        report.states[state] += 1
        name = f"{entry.event}:{entry.delivery}"
        if is_open(state) and (state not in report.oldest or at_ms < report.oldest[state][0]):
            report.oldest[state] = (at_ms, name)
        if len(entry.steps) < _COMPLETE_STEPS:
            before: State | None = None
            for step in reversed(entry.steps):
                if not _allowed(before, step):
                    detail = (
                        f"went from {before or 'nothing'} to {step.state}, which the ledger does not allow"
                    )
                    report.drift.append(Drift("ledger", name, detail))
                before = step.state

    async def _missing(self, entries: Sequence[Entry]) -> list[Entry]:
        """Return those that wait, and are neither in the due set nor in a digest that is still to be sent.

        One that is held for an operator waits for no record.
        """
        waiting = [entry for entry in entries if entry.waits]
        times = await self._due.times([entry.delivery for entry in waiting])
        absent = [entry for entry, at_ms in zip(waiting, times, strict=True) if at_ms is None]
        items = [entry for entry in absent if digest_id_of(entry)]
        together = await self._in_digests(items)
        return [entry for entry in absent if entry.delivery not in together]

    async def _in_digests(self, items: Sequence[Entry]) -> set[str]:
        """Return the items that are in the window of their digest, while the digest has not ended."""
        digests = [digest_id_of(item) for item in items]
        windows = await self._windows.digests_of([(item.recipient, item.delivery) for item in items])
        entries = await self._ledger.entries_of([(event_of_delivery(one), one) for one in digests])
        return {
            item.delivery
            for item, digest, window, entry in zip(items, digests, windows, entries, strict=True)
            if digest == window and entry is not None and is_open(entry.state)
        }

    async def _still_missing(self, suspects: Iterable[Entry]) -> list[Entry]:
        current = [await self._ledger.entry(entry.event, entry.delivery) for entry in suspects]
        return await self._missing([entry for entry in current if entry])

    async def _report_missing(
        self, report: AuditReport, missing: Sequence[Entry], log: DeliveryLog | None
    ) -> None:
        logged = await log.find(frozenset(e.delivery for e in missing)) if log and missing else {}
        for entry in missing:
            delivery = logged.get(entry.delivery)
            if delivery is not None:
                again = delivery.replace(attempt=entry.newest_step.attempt)
                now_ms, reason = self._clock.now_ms(), entry.newest_step.reason
                await self._due.add([again], [now_ms], [entry.state], [reason])
            where = "the digest that it is put into" if digest_id_of(entry) else "the due set"
            detail = f"{entry.state} since {entry.newest_step.at_ms}, and not in {where}"
            if log and delivery is None:
                detail += "; the delivery is no longer in Kafka"
            name = f"{entry.event}:{entry.delivery}"
            report.drift.append(Drift("due missing", name, detail, delivery is not None))

    async def _unneeded(self, report: AuditReport) -> list[tuple[str, str]]:
        """Count the due set; return its (event, delivery) pairs that the ledger has closed or does not hold."""
        unneeded: list[tuple[str, str]] = []
        async for pairs in self._scan.waiting():
            report.waiting += len(pairs)
            unneeded += [pair for pair in pairs if await self._is_closed(*pair)]
        return unneeded

    async def _is_closed(self, event: str, delivery: str) -> bool:
        entry = await self._ledger.entry(event, delivery) if event else None
        return entry is None or not is_open(entry.state)

    async def _report_unneeded(
        self, report: AuditReport, unneeded: Sequence[tuple[str, str]], *, repair: bool
    ) -> None:
        for start in range(0, len(unneeded), _CHUNK):
            part = unneeded[start : start + _CHUNK]
            times = await self._due.times([delivery for _, delivery in part])
            still = [pair for pair, at_ms in zip(part, times, strict=True) if at_ms is not None]
            closed = [pair for pair in still if await self._is_closed(*pair)]
            if repair:
                await self._due.drop([delivery for _, delivery in closed])
            detail = "in the due set, although the ledger has closed it or does not hold it"
            report.drift += (
                Drift("due unneeded", f"{event}:{delivery}", detail, repair) for event, delivery in closed
            )

    async def _check_inboxes(self, report: AuditReport, *, repair: bool) -> None:
        async for recipients in self._scan.inboxes():
            report.inboxes += len(recipients)
            for recipient in recipients:
                details = await self._scan.inbox_drift(recipient)
                if details and repair:
                    await self._scan.recount(recipient)
                left = await self._scan.inbox_drift(recipient) if details and repair else details
                report.drift += (Drift("inbox", recipient, detail, detail not in left) for detail in details)


def _allowed(before: State | None, step: HistoryStep) -> bool:
    """Return whether a step may follow a state; an operator's replay has a table of its own."""
    replayed = step.reason is Reason.replayed and before in sources_of(step.state, ReplayKind.again)
    return replayed or step.state in TRANSITIONS[before]
