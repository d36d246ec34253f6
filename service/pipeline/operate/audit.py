"""Audit: do the ledger's sums balance, and do due set and inboxes agree with it? Finds drift, and can repair it.

All goes on meanwhile, so whatever looks wrong is looked at once more before it is called so.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any

from service.model.ledger import TRANSITIONS, Entry, State, is_open
from service.ports import Clock, DeliveryLog, DueSet, Ledger, LedgerScan

_WAITING = frozenset({State.deferred, State.ambiguous})
_WHOLE = 10  # steps; of longer histories the middle may have been cut out
_CHUNK = 500
_MOST_SHOWN = 1000


@dataclass(slots=True)
class Drift:
    """One thing that disagrees."""

    kind: str
    what: str
    said: str
    repaired: bool = False


@dataclass(slots=True)
class AuditReport:
    """What was counted, and what disagrees. `oldest`: for each open state its oldest delivery's time (ms) and name."""

    events: int = 0
    deliveries: int = 0
    waiting: int = 0
    inboxes: int = 0
    states: Counter[State] = field(default_factory=Counter)
    oldest: dict[State, tuple[int, str]] = field(default_factory=dict)
    drift: list[Drift] = field(default_factory=list)

    @property
    def left(self) -> int:
        """How much disagrees still."""
        return sum(not one.repaired for one in self.drift)

    def document(self) -> dict[str, Any]:
        """As JSON."""
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
            "drift": [asdict(one) for one in self.drift[:_MOST_SHOWN]],
            "drift_left": self.left,
        }


class Auditor:
    """`patience_s`: how long a delivery on its way from the due set to its stage may take before it is missed."""

    def __init__(
        self, ledger: Ledger, due: DueSet, sweep: LedgerScan, clock: Clock, *, patience_s: float = 5.0
    ) -> None:
        self._ledger = ledger
        self._due = due
        self._sweep = sweep
        self._clock = clock
        self._patience_s = patience_s

    async def __call__(self, log: DeliveryLog | None = None) -> AuditReport:
        """Look at everything; with a log also repair. Raises Unavailable."""
        done = AuditReport()
        suspects = await self._count(done)
        unneeded = await self._unneeded(done)
        if suspects or unneeded:
            await asyncio.sleep(self._patience_s)
        await self._due_missing(done, await self._still_missing(suspects), log)
        await self._due_unneeded(done, unneeded, repair=log is not None)
        await self._inboxes(done, repair=log is not None)
        return done

    async def _count(self, done: AuditReport) -> list[Entry]:
        """Count the ledger; deliveries that should wait in the due set and do not."""
        suspects: list[Entry] = []
        events: set[str] = set()
        async for entries, broken in self._sweep.ledger():
            done.deliveries += len(entries) + len(broken)
            events.update(entry.event for entry in entries)
            done.drift += (Drift("ledger", name, "the row cannot be read") for name in broken)
            for entry in entries:
                self._look(entry, done)
            suspects += await self._without_due([e for e in entries if e.state in _WAITING])
        done.events = len(events)
        return suspects

    def _look(self, entry: Entry, done: AuditReport) -> None:
        state, at_ms = entry.state, entry.steps[0].at_ms
        done.states[state] += 1
        name = f"{entry.event}:{entry.delivery}"
        if is_open(state) and (state not in done.oldest or at_ms < done.oldest[state][0]):
            done.oldest[state] = (at_ms, name)
        if len(entry.steps) < _WHOLE:
            history = [None, *(step.state for step in reversed(entry.steps))]
            for before, after in pairwise(history):
                if after is not None and after not in TRANSITIONS[before]:
                    said = f"went from {before or 'nothing'} to {after}, which the ledger does not allow"
                    done.drift.append(Drift("ledger", name, said))

    async def _without_due(self, entries: Sequence[Entry]) -> list[Entry]:
        times = await self._due.times([entry.delivery for entry in entries])
        return [entry for entry, at_ms in zip(entries, times, strict=True) if at_ms is None]

    async def _still_missing(self, suspects: Iterable[Entry]) -> list[Entry]:
        now = [await self._ledger.entry(entry.event, entry.delivery) for entry in suspects]
        return await self._without_due([entry for entry in now if entry and entry.state in _WAITING])

    async def _due_missing(
        self, done: AuditReport, missing: Sequence[Entry], log: DeliveryLog | None
    ) -> None:
        found = await log.find(frozenset(e.delivery for e in missing)) if log and missing else {}
        for entry in missing:
            delivery = found.get(entry.delivery)
            if delivery is not None:
                again = delivery.model_copy(update={"attempt": entry.steps[0].attempt})
                await self._due.add([again], [self._clock.now_ms()], [entry.state])
            said = f"{entry.state} since {entry.steps[0].at_ms}, and not in the due set"
            if log and delivery is None:
                said += "; Kafka has the delivery no more"
            name = f"{entry.event}:{entry.delivery}"
            done.drift.append(Drift("due missing", name, said, delivery is not None))

    async def _unneeded(self, done: AuditReport) -> list[tuple[str, str]]:
        """What waits in the due set, although its delivery has come to an end or is in no ledger."""
        found: list[tuple[str, str]] = []
        async for pairs in self._sweep.waiting():
            done.waiting += len(pairs)
            found += [pair for pair in pairs if await self._ended(*pair)]
        return found

    async def _ended(self, event: str, delivery: str) -> bool:
        entry = await self._ledger.entry(event, delivery) if event else None
        return entry is None or not is_open(entry.state)

    async def _due_unneeded(
        self, done: AuditReport, unneeded: Sequence[tuple[str, str]], *, repair: bool
    ) -> None:
        for start in range(0, len(unneeded), _CHUNK):
            part = unneeded[start : start + _CHUNK]
            times = await self._due.times([delivery for _, delivery in part])
            still = [pair for pair, at_ms in zip(part, times, strict=True) if at_ms is not None]
            ended = [pair for pair in still if await self._ended(*pair)]
            if repair:
                await self._due.drop([delivery for _, delivery in ended])
            said = "in the due set, although the ledger has closed it or does not know it"
            done.drift += (
                Drift("due unneeded", f"{event}:{delivery}", said, repair) for event, delivery in ended
            )

    async def _inboxes(self, done: AuditReport, *, repair: bool) -> None:
        async for recipients in self._sweep.inboxes():
            done.inboxes += len(recipients)
            for recipient in recipients:
                lines = await self._sweep.inbox_drift(recipient)
                if lines and repair:
                    await self._sweep.recount(recipient)
                left = await self._sweep.inbox_drift(recipient) if lines and repair else lines
                done.drift += (Drift("inbox", recipient, line, line not in left) for line in lines)
