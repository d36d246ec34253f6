"""Changes of what waits: release it now, set another time for it, or cancel it.

A delivery that is being sent, or has ended, is left alone and counted as such. Every change can be repeated: one that
was cut off is completed by the same change again.
"""

from collections import Counter
from collections.abc import Sequence, Set
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from service.model.delivery import Delivery
from service.model.holds.digest import digest_id, is_digest
from service.model.ledger import ReplayKind, State, Transition, TransitionResult, is_open
from service.model.reasons import Reason
from service.model.topics import TopicNames
from service.pipeline.holds import HOP_MS
from service.pipeline.messages import outcome_message
from service.pipeline.operate.audit_log import OperationLog
from service.pipeline.operate.due_list import DueFilter, DueList, WaitingDelivery
from service.pipeline.operate.operations import Progress, unobserved
from service.ports import Clock, DigestWindows, DueSet, Ledger, MailLimits, Publisher

RETIMED, CANCELLED, ITEMS = "retimed", "cancelled", "items of cancelled digests"
_TOO_LATE = "would expire before"
_CHUNK = 200


@dataclass(slots=True)
class DueSurvey:
    """What a filter matches, by (state, reason, type). `items`: the items of the digests among them.

    `others`: of chosen ids, the states of those that do not wait.
    """

    counts: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    others: Counter[str] = field(default_factory=Counter)
    items: int = 0

    @property
    def total(self) -> int:
        """Return the number of deliveries that would be changed."""
        return sum(self.counts.values())

    def document(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "total": self.total,
            "items": self.items,
            "counts": [
                {"state": state or None, "reason": reason, "type": type_, "count": count}
                for (state, reason, type_), count in sorted(self.counts.items())
            ],
            "others": dict(self.others),
        }


class DueChanges:
    """Changes deliveries that wait. Every method raises Unavailable."""

    def __init__(
        self,
        waiting: DueList,
        due: DueSet,
        windows: DigestWindows,
        limits: MailLimits,
        *,
        ledger: Ledger,
        publisher: Publisher,
        topics: TopicNames,
        clock: Clock,
    ) -> None:
        self._waiting = waiting
        self._due = due
        self._windows = windows
        self._limits = limits
        self._ledger = ledger
        self._publisher = publisher
        self._topics = topics
        self._clock = clock

    async def survey(self, chosen: DueFilter) -> DueSurvey:
        """Count what a change would affect. Change nothing."""
        survey = DueSurvey()
        async with aclosing(self._waiting.chunks(chosen)) as chunks:
            async for rows, others in chunks:
                survey.counts.update((row.state or "", row.reason, row.delivery.type) for row in rows)
                survey.items += sum(row.items for row in rows)
                survey.others += others
        return survey

    async def retime(
        self, chosen: DueFilter, at_ms: int, log: OperationLog, progress: Progress = unobserved
    ) -> Counter[str]:
        """Send what a filter matches at a time (ms), whatever else it waits for; return the counts.

        A time that is over releases it now. An item of a digest is sent alone.
        """
        counts = Counter[str]()
        async with aclosing(self._waiting.chunks(chosen)) as chunks:
            async for rows, others in chunks:
                # Those that have been moved to this time are met again there.
                todo = [
                    row
                    for row in rows
                    if row.reason is not Reason.retimed or row.delivery.retimed_ms != at_ms
                ]
                counts += await self._retime(todo, at_ms, _detail("retimed", log)) + _by_now(others)
                progress(counts)
        return counts

    async def cancel(
        self, chosen: DueFilter, log: OperationLog, progress: Progress = unobserved
    ) -> Counter[str]:
        """Cancel what a filter matches, of a digest all its items, too; return the counts."""
        counts = Counter[str]()
        async with aclosing(self._waiting.chunks(chosen)) as chunks:
            async for rows, others in chunks:
                counts += await self._cancel(rows, _detail("cancelled", log)) + _by_now(others)
                progress(counts)
        return counts

    async def _retime(self, rows: Sequence[WaitingDelivery], at_ms: int, detail: str) -> Counter[str]:
        in_time = [row for row in rows if row.delivery.deadline_ms > at_ms]
        counts = Counter({_TOO_LATE: len(rows) - len(in_time)})
        if not in_time:
            return +counts
        now_ms = self._clock.now_ms()
        again = [row.delivery.replace(retimed_ms=at_ms) for row in in_time]
        number = len(again)
        # The due set before the ledger: a crash between must not leave a delivery that waits for nothing.
        await self._due.add(
            again, [min(at_ms, now_ms + HOP_MS)] * number, [State.held] * number, [Reason.retimed] * number
        )
        transitions = [
            Transition(
                one.event, one.id, State.held, Reason.retimed, now_ms, one.attempt, detail,
                replay=ReplayKind.retimed,
            )
            for one in again
        ]  # fmt: skip
        results = await self._ledger.transition(transitions)
        applied, refused = _by_result(again, transitions, results)
        # What has ended is never dispatched again. One that is being sent may have been added by its worker meanwhile,
        # and the stage enters one that the ledger has lost again.
        await self._due.drop(
            [one.id for one, result in refused if result.state is not None and not is_open(result.state)]
        )
        await self._publish(applied, at_ms)
        # They wait for no room any more.
        await self._limits.give_back(
            [(row.delivery.recipient, row.delivery.id) for row in in_time if row.reason is Reason.limit]
        )
        counts[RETIMED] = len(applied)
        return +(counts + _by_now(Counter(result.state or "unknown" for _, result in refused)))

    async def _cancel(self, rows: Sequence[WaitingDelivery], detail: str) -> Counter[str]:
        cut_off = {row.delivery.id for row in rows if row.state is State.skipped}
        # The digest itself first: once it cannot be sent, no item of it is sent either.
        cancelled, counts = await self._end([row.delivery for row in rows], cut_off, detail)
        counts[CANCELLED] = len(cancelled)
        digests = [(one.recipient, one.id) for one in cancelled if is_digest(one)]
        for window in digests:
            (content,) = await self._windows.content([window])
            items = list(content.items) if content else []
            for start in range(0, len(items), _CHUNK):
                ended = await self._end_items(window[1], items[start : start + _CHUNK], detail)
                counts[ITEMS] += len(ended)
                cancelled += ended
        # Only now, since a change that is cut off finds deliveries in the due set, and items in the windows, again.
        await self._due.drop([one.id for one in cancelled])
        await self._windows.remove(digests)
        await self._limits.give_back([(one.recipient, one.id) for one in cancelled])
        return +counts

    async def _end_items(self, digest: str, items: Sequence[Delivery], detail: str) -> list[Delivery]:
        """Cancel the items that are in a digest by the ledger; return them."""
        entries = await self._ledger.entries_of([(one.event, one.id) for one in items])
        own, cut_off = list[Delivery](), set[str]()
        for item, entry in zip(items, entries, strict=True):
            # the step before that of a cancellation which was cut off
            steps = entry.steps if entry else ()
            is_ended = bool(steps) and steps[0].reason is Reason.by_operator
            step = next(iter(steps[is_ended:]), None)
            if step and digest_id(step.state, step.detail) == digest:
                own.append(item)
                cut_off |= {item.id} if is_ended else set()
        return (await self._end(own, cut_off, detail))[0]

    async def _end(
        self, deliveries: Sequence[Delivery], cut_off: Set[str], detail: str
    ) -> tuple[list[Delivery], Counter[str]]:
        """End deliveries in the ledger and publish it; return those that are cancelled, and the states of the others.

        `cut_off`: those that are cancelled already, which may not have been published.
        """
        now_ms = self._clock.now_ms()
        transitions = [
            Transition(one.event, one.id, State.skipped, Reason.by_operator, now_ms, one.attempt, detail)
            for one in deliveries
        ]
        results = await self._ledger.transition(transitions) if transitions else []
        applied, refused = _by_result(deliveries, transitions, results)
        again = {one.id for one, _ in refused} & cut_off
        applied += [pair for pair in zip(deliveries, transitions, strict=True) if pair[0].id in again]
        await self._publish(applied)
        others = Counter(result.state or "unknown" for one, result in refused if one.id not in again)
        return [one for one, _ in applied], _by_now(others)

    async def _publish(self, done: Sequence[tuple[Delivery, Transition]], next_ms: int = 0) -> None:
        if done:
            await self._publisher.publish(
                [outcome_message(self._topics, one, transition, next_ms=next_ms) for one, transition in done]
            )


Changed = list[tuple[Delivery, Transition]]
Refused = list[tuple[Delivery, TransitionResult]]


def _by_result(
    deliveries: Sequence[Delivery], transitions: Sequence[Transition], results: Sequence[TransitionResult]
) -> tuple[Changed, Refused]:
    """Return the deliveries whose transitions were applied, and the others."""
    applied, refused = Changed(), Refused()
    for delivery, transition, result in zip(deliveries, transitions, results, strict=True):
        if result.applied:
            applied.append((delivery, transition))
        else:
            refused.append((delivery, result))
    return applied, refused


def _by_now(states: Counter[str]) -> Counter[str]:
    return Counter({f"{state} by now": number for state, number in states.items()})


def _detail(what: str, log: OperationLog) -> str:
    return f"{what} by {log.operator}, {log.id}"
