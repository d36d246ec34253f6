"""Replay: what was not delivered is sent again, chosen by what became of it; what was delivered, only where asked.

The outcomes say what to send, the delivery records how, and the ledger whether: a delivery that has moved on since
is left alone. Suppressions, preferences and withdrawals hold, because the email stage looks again.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from service.model.catalogue import Catalogue, Lane
from service.model.channels import CHANNELS
from service.model.delivery import Delivery
from service.model.ledger import REPLAY_TRANSITIONS, ReplayKind, State, Transition
from service.model.outcome import Outcome
from service.model.reasons import Reason
from service.model.record import Record
from service.model.topics import TopicNames
from service.pipeline.messages import dispatch_message, outcome_message
from service.pipeline.operate.audit_log import OperationLog
from service.ports import Clock, DueSet, Ledger, Publisher

REPLAYABLE = frozenset(REPLAY_TRANSITIONS[ReplayKind.again])
"""The states that can be asked for."""
_DONE = frozenset({State.sent, State.delivered})
_UNDER_WAY = frozenset({State.deferred, State.ambiguous})
REPLAYED = "replayed"


@dataclass(frozen=True, slots=True)
class ReplayFilter:
    """Which deliveries are meant, by their latest outcome; an empty set lets everything through.

    Without `states`: what has ended undelivered, and what waits for an operator. Times are milliseconds.
    """

    events: frozenset[str] = frozenset()
    sources: frozenset[str] = frozenset()
    types: frozenset[str] = frozenset()
    recipients: frozenset[str] = frozenset()
    channels: frozenset[str] = frozenset()
    states: frozenset[State] = frozenset()
    relays: frozenset[str] = frozenset()
    codes: frozenset[str] = frozenset()
    reasons: frozenset[str] = frozenset()
    since_ms: int = 0
    until_ms: int = 2**63
    again: bool = False

    @property
    def replay(self) -> ReplayKind:
        """The table of moves that this wish may use."""
        return ReplayKind.again if self.again else ReplayKind.missed

    def names(self, told: Outcome) -> bool:
        """Whether it is about such a delivery, wherever it stands."""
        return (
            (not self.events or told.event in self.events or told.event_id in self.events)
            and (not self.sources or told.source in self.sources)
            and (not self.types or told.type in self.types)
            and (not self.recipients or told.recipient in self.recipients)
            and (not self.channels or told.channel in self.channels)
        )

    def wants(self, told: Outcome) -> bool:
        """Whether a delivery with this latest outcome is meant, were it not for having been delivered."""
        return (
            self._stands(told)
            and self.since_ms <= told.at_ms < self.until_ms
            and (not self.relays or told.relay in self.relays)
            and (not self.codes or not self.codes.isdisjoint(told.reply.split(" ", 2)[:2]))
            and (not self.reasons or told.reason in self.reasons)
        )

    def _stands(self, told: Outcome) -> bool:
        if self.states:
            return told.state in self.states
        if told.state is State.held:
            return told.reason is Reason.awaiting_operator
        return told.state in REPLAYABLE - _UNDER_WAY


class LatestOutcome(NamedTuple):
    """Where a delivery that is meant stands, by its latest outcome."""

    state: State
    reason: Reason
    channel: str
    attempt: int


class ReplayCandidates:
    """Reads `dispatch.outcomes` in its order; holds no more than the deliveries that are meant."""

    def __init__(self, wish: ReplayFilter) -> None:
        self.found: dict[str, LatestOutcome] = {}
        self.delivered: set[str] = set()
        """Meant, but delivered, and so left alone."""
        self._wish = wish

    def read(self, record: Record) -> None:
        """Take one record in; other kinds than outcomes are passed over."""
        try:
            told = Outcome.from_bytes(record.value or b"")
        except ValueError:
            return
        if not self._wish.names(told):
            return
        self.found.pop(told.delivery, None)
        self.delivered.discard(told.delivery)
        if not self._wish.wants(told):
            return
        if told.state in _DONE and not self._wish.again:
            self.delivered.add(told.delivery)
        else:
            self.found[told.delivery] = LatestOutcome(told.state, told.reason, told.channel, told.attempt)


class PlannedReplay(NamedTuple):
    """A delivery as it was recorded, and where it stands."""

    delivery: Delivery
    standing: LatestOutcome


def plan_replay(candidates: ReplayCandidates, record: Record) -> PlannedReplay | None:
    """What a delivery record adds to the plan; each candidate once. What is left in `found` has no record."""
    try:
        delivery = Delivery.from_bytes(record.value)
    except ValueError:
        return None
    standing = candidates.found.pop(delivery.id, None)
    return None if standing is None else PlannedReplay(delivery, standing)


class Replayer:
    """Puts planned deliveries back: the ledger, then their topic, then the outcome.

    Cut off between them, a delivery stands at `queued` while its outcome tells the old state: a replay of the same
    finds it again, and publishes what is missing.
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
        self, plan: Sequence[PlannedReplay], replay: ReplayKind, trail: OperationLog
    ) -> Counter[str]:
        """Send these again; how many, and why the others were left alone. Raises Unavailable."""
        known = [one for one in plan if one.delivery.type in self._catalogue]
        counts = Counter({"of a type that is no more": len(plan) - len(known)})
        now = self._clock.now_ms()
        transitions = [self._transition(one, replay, trail, now) for one in known]
        results = await self._ledger.transition(transitions) if transitions else []
        going: list[tuple[Delivery, Transition]] = []
        for one, transition, result in zip(known, transitions, results, strict=True):
            if result.applied or result.state is State.queued:
                going.append((self._fresh(one, now), transition))
            elif result.state is None:
                counts["not in the ledger any more"] += 1
            else:
                counts[f"{result.state} by now"] += 1
        await self._publisher.publish([dispatch_message(self._topics, delivery) for delivery, _ in going])
        await self._publisher.publish(
            [outcome_message(self._topics, delivery, transition) for delivery, transition in going]
        )
        await self._due.drop([delivery.id for delivery, _ in going if CHANNELS[delivery.channel].retried])
        counts[REPLAYED] = len(going)
        return +counts

    def _transition(
        self, one: PlannedReplay, replay: ReplayKind, trail: OperationLog, now_ms: int
    ) -> Transition:
        delivery = one.delivery
        return Transition(
            delivery.event,
            delivery.id,
            State.queued,
            Reason.replayed,
            now_ms,
            one.standing.attempt,
            f"replayed by {trail.who}, {trail.id}",
            replay=replay,
        )

    def _fresh(self, one: PlannedReplay, now_ms: int) -> Delivery:
        """With a whole time to live, behind everything that is not a replay."""
        ttl_ms = self._catalogue[one.delivery.type].ttl * 1000
        changed = {"deadline_ms": now_ms + ttl_ms, "lane": Lane.bulk, "attempt": one.standing.attempt}
        return one.delivery.model_copy(update=changed)


class Pacer:
    """Keeps to so many a second on the whole. `now`: seconds of any clock that does not go back."""

    def __init__(
        self, rate: float, now: Callable[[], float], sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self.batch = max(1, min(500, int(rate)))
        self._rate = rate
        self._now = now
        self._sleep = sleep
        self._free = now()

    async def wait(self, count: int) -> None:
        """Wait until these may go."""
        begin = max(self._free, self._now())
        if begin > self._now():
            await self._sleep(begin - self._now())
        self._free = begin + count / self._rate
