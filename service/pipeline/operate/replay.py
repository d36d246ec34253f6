"""Replay: send deliveries again, chosen by their latest outcome; those that were delivered only on request.

The outcomes say which deliveries, their dispatch records how to send them, and the ledger whether: a delivery whose
state has changed since is left alone. Suppressions, preferences and withdrawals hold, because the email stage checks
them again before sending.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from service.model.catalogue import Catalogue, Lane
from service.model.delivery import Delivery
from service.model.holds.digest import is_digest
from service.model.ledger import REPLAY_TRANSITIONS, RETRIED, ReplayKind, State, Transition
from service.model.outcome import Outcome
from service.model.reasons import HELD_UNTIL_A_TIME, Reason
from service.model.record import Record
from service.model.topics import TopicNames
from service.pipeline.messages import dispatch_message, outcome_message
from service.pipeline.operate.audit_log import OperationLog
from service.pipeline.operate.outcome_filter import OutcomeFilter
from service.ports import Clock, DueSet, Ledger, Publisher

REPLAYABLE = frozenset(REPLAY_TRANSITIONS[ReplayKind.again])
"""The states that a filter may name."""
_DELIVERED = frozenset({State.sent, State.returned, State.delivered, State.digested})
REPLAYED = "replayed"
_OF_DIGESTS = "digests, whose items can be replayed"
_OF_NO_TYPE = "of a type that is not in the catalogue"


@dataclass(frozen=True, slots=True)
class ReplayFilter(OutcomeFilter):
    """A filter for deliveries to replay. Without `states`: those that ended undelivered or wait for an operator.

    With `again` also those that were delivered.
    """

    again: bool = False

    @property
    def replay(self) -> ReplayKind:
        """Return the kind of transition that this filter needs."""
        return ReplayKind.again if self.again else ReplayKind.missed

    def matches_state(self, state: State) -> bool:
        """Return whether the filter matches a state; `again` is not taken into account."""
        return state in (self.states or REPLAYABLE - RETRIED)

    def matches_outcome(self, outcome: Outcome) -> bool:
        """Return whether the filter matches the latest outcome; what goes by itself only if its state is named."""
        by_itself = outcome.state is State.held and outcome.reason in HELD_UNTIL_A_TIME
        return OutcomeFilter.matches_outcome(self, outcome) and (bool(self.states) or not by_itself)


class LatestOutcome(NamedTuple):
    """The latest outcome of a delivery that a filter matches, as far as a replay needs it."""

    state: State
    reason: Reason
    channel: str
    attempt: int


class ReplayCandidates:
    """Reader of `dispatch.outcomes` in its order; keeps only the deliveries that the filter matches."""

    def __init__(self, replay_filter: ReplayFilter) -> None:
        self.latest: dict[str, LatestOutcome] = {}
        """The deliveries to replay, by id."""
        self.delivered: set[str] = set()
        """Deliveries that match, but were delivered, and so are left alone."""
        self._filter = replay_filter

    def read(self, record: Record) -> None:
        """Read one record; records that are not outcomes are skipped."""
        try:
            outcome = Outcome.from_bytes(record.value or b"")
        except ValueError:
            return
        if not self._filter.matches_delivery(outcome):
            return
        self.latest.pop(outcome.delivery, None)
        self.delivered.discard(outcome.delivery)
        if not self._filter.matches_outcome(outcome):
            return
        if outcome.state in _DELIVERED and not self._filter.again:
            self.delivered.add(outcome.delivery)
        else:
            self.latest[outcome.delivery] = LatestOutcome(
                outcome.state, outcome.reason, outcome.channel, outcome.attempt
            )


class PlannedReplay(NamedTuple):
    """A delivery as its dispatch record has it, and its latest outcome."""

    delivery: Delivery
    latest: LatestOutcome


def plan_replay(candidates: ReplayCandidates, record: Record) -> PlannedReplay | None:
    """Return the replay of the delivery in a dispatch record, if it is a candidate; each candidate once.

    What is left in `candidates.latest` in the end has no record.
    """
    try:
        delivery = Delivery.from_bytes(record.value)
    except ValueError:
        return None
    latest = candidates.latest.pop(delivery.id, None)
    return None if latest is None else PlannedReplay(delivery, latest)


class Replayer:
    """Sender of planned replays: ledger → topic → outcome, in this order.

    Cut off in between, a delivery is `queued` in the ledger while its latest outcome is still the old one: a replay
    with the same filter matches it again and publishes the missing messages.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        ledger: Ledger,
        due: DueSet,
        publisher: Publisher,
        *,
        topics: TopicNames,
        clock: Clock,
    ) -> None:
        self._catalogue = catalogue
        self._ledger = ledger
        self._due = due
        self._publisher = publisher
        self._topics = topics
        self._clock = clock

    async def __call__(
        self, plan: Sequence[PlannedReplay], replay: ReplayKind, operation_log: OperationLog
    ) -> Counter[str]:
        """Send these again; return how many, and why the others were left alone. Raise Unavailable."""
        digests = sum(is_digest(planned.delivery) for planned in plan)
        known = [planned for planned in plan if planned.delivery.type in self._catalogue]
        counts = Counter({_OF_DIGESTS: digests, _OF_NO_TYPE: len(plan) - len(known) - digests})
        now = self._clock.now_ms()
        transitions = [self._transition(planned, replay, operation_log, now) for planned in known]
        # Ledger before topic: it refuses deliveries that were sent or withdrawn meanwhile, and a record that is read
        # while the ledger still has the old state is skipped by its stage.
        results = await self._ledger.transition(transitions) if transitions else []
        queued: list[tuple[Delivery, Transition]] = []
        for planned, transition, result in zip(known, transitions, results, strict=True):
            if result.applied or result.state is State.queued:
                queued.append((self._renewed(planned, now), transition))
            elif result.state is None:
                counts["not in the ledger any more"] += 1
            else:
                counts[f"{result.state} by now"] += 1
        await self._publisher.publish([dispatch_message(self._topics, delivery) for delivery, _ in queued])
        # Topic before outcome: the filter reads outcomes, so a delivery whose outcome is published and whose record is
        # not would be matched by no later replay.
        await self._publisher.publish(
            [outcome_message(self._topics, delivery, transition) for delivery, transition in queued]
        )
        # The due set last: cut off before, a deferred delivery is still there for its next attempt.
        await self._due.drop([delivery.id for delivery, _ in queued])
        counts[REPLAYED] = len(queued)
        return +counts

    def _transition(
        self, planned: PlannedReplay, replay: ReplayKind, operation_log: OperationLog, now_ms: int
    ) -> Transition:
        delivery = planned.delivery
        return Transition(
            delivery.event,
            delivery.id,
            State.queued,
            Reason.replayed,
            now_ms,
            planned.latest.attempt,
            f"replayed by {operation_log.operator}, {operation_log.id}",
            replay=replay,
        )

    def _renewed(self, planned: PlannedReplay, now_ms: int) -> Delivery:
        """Return the delivery, dated now, with a full time to live, in the bulk lane behind everything else."""
        ttl_ms = self._catalogue[planned.delivery.type].ttl_s * 1000
        return planned.delivery.replace(
            deadline_ms=now_ms + ttl_ms, lane=Lane.bulk, attempt=planned.latest.attempt, replayed_ms=now_ms
        )


class Pacer:
    """Rate limit over batches of any size: `rate` deliveries a second. `now`: a monotonic clock in seconds."""

    def __init__(
        self, rate: float, now: Callable[[], float], sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self.batch = max(1, min(500, int(rate)))
        self._rate = rate
        self._now = now
        self._sleep = sleep
        self._next_at = now()

    async def wait(self, count: int) -> None:
        """Wait until `count` deliveries may be sent."""
        start = max(self._next_at, self._now())
        if start > self._now():
            await self._sleep(start - self._now())
        self._next_at = start + count / self._rate
