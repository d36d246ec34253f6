"""The ledger's model: the states of a delivery, the transitions between them, entries and their history.

`TRANSITIONS` and `REPLAY_TRANSITIONS` say which state may follow which. `check_transition` is the executable
specification of a transition. The fakes of the tests use it; in production the ledger's Lua script mirrors it, because
a state must be compared and replaced in one step. The script is passed the states that `sources_of` computes from the
same tables. The specs in `tests/specs` run on both.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from service.model.delivery import Delivery
from service.model.reasons import HELD_UNTIL_A_TIME, Reason


class State(StrEnum):
    """The state of a delivery."""

    queued = "queued"
    sending = "sending"
    sent = "sent"
    returned = "returned"
    delivered = "delivered"
    skipped = "skipped"
    held = "held"
    deferred = "deferred"
    ambiguous = "ambiguous"
    bounced = "bounced"
    suppressed = "suppressed"
    expired = "expired"
    superseded = "superseded"
    withdrawn = "withdrawn"
    dead = "dead"
    digested = "digested"


_OPEN = frozenset({State.queued, State.sending, State.held, State.deferred, State.ambiguous})
_ENDS = frozenset(
    {State.suppressed, State.expired, State.superseded, State.withdrawn, State.dead, State.skipped}
)
_WAITS = frozenset({State.held, State.deferred})

# sent → bounced: an asynchronous bounce (RFC 3464) arrives after the relay took the message.
# sent → returned: something came back that cannot be judged; a bounce that can be may follow.
# delivered → withdrawn: the producer withdraws the event, so the inbox entry goes.
# held → sending, digested: its time has come. digested → an end: it ended before the digest was sent.
# bounced, dead, expired, … → queued happens only by an operator's replay, which is then its reason.
TRANSITIONS: Mapping[State | None, frozenset[State]] = {
    None: frozenset({State.queued, State.held, *_ENDS}),
    State.queued: frozenset(  # on itself, where no relay took the message
        {State.queued, State.sending, State.delivered, State.digested, State.bounced, *_WAITS, *_ENDS}
    ),
    # one that an operator decides on has an attempt that no record has, so none can send it
    State.held: frozenset(
        {State.queued, State.sending, State.held, State.delivered, State.digested, State.bounced, *_ENDS}
    ),
    State.deferred: frozenset(
        {State.queued, State.sending, State.deferred, State.held, State.bounced, *_ENDS}
    ),
    # a message in flight cannot be stopped: what happens meanwhile is checked when the relay has replied
    State.sending: frozenset(
        {State.sent, State.queued, State.deferred, State.held, State.ambiguous}
        | {State.bounced, State.expired, State.dead}
    ),
    State.ambiguous: frozenset({State.sending, State.sent, State.queued, State.held, State.bounced, *_ENDS}),
    State.sent: frozenset({State.bounced, State.returned}),
    State.returned: frozenset({State.bounced}),
    State.delivered: frozenset({State.withdrawn}),
    State.digested: frozenset({State.queued, *_ENDS}),
    **{end: frozenset({State.queued}) for end in (State.bounced, *sorted(_ENDS - {State.withdrawn}))},
    State.withdrawn: frozenset(),
}


class ReplayKind(StrEnum):
    """The kind of transition that an operator requests; empty for every other transition."""

    none = ""
    dead = "dead"
    """Redrive a dead letter."""
    missed = "missed"
    """Send again what was not delivered."""
    again = "again"
    """Send again what was delivered, too."""
    retimed = "retimed"
    """Hold what waits until another time."""


_MISSED = frozenset(
    {State.bounced, State.held, State.deferred, State.ambiguous, *(_ENDS - {State.withdrawn})}
)
# Apart from TRANSITIONS, so that no stage can send a message twice. `sending` is in none: that message is in flight.
REPLAY_TRANSITIONS: Mapping[ReplayKind, Mapping[State, frozenset[State]]] = {
    ReplayKind.retimed: dict.fromkeys((State.held, State.deferred, State.ambiguous), frozenset({State.held}))
} | {
    kind: dict.fromkeys(sorted(states), frozenset({State.queued}))
    for kind, states in (
        (ReplayKind.dead, {State.dead}),
        (ReplayKind.missed, _MISSED),
        (ReplayKind.again, _MISSED | {State.sent, State.returned, State.delivered, State.digested}),
    )
}


class IllegalTransition(ValueError):
    """A transition that the tables do not allow.

    Raised by `check_transition` only: the specification that the fakes use. The Ledger port raises nothing; it returns
    a TransitionResult that was not applied.
    """


def check_transition(current: State | None, to: State, replay: ReplayKind = ReplayKind.none) -> None:
    """Raise IllegalTransition unless a delivery may go from `current` (None: not yet in the ledger) to `to`.

    This is the specification; the ledger's script does the same with `sources_of`.
    """
    if to not in _targets(replay).get(current, frozenset()):
        raise IllegalTransition(f"a delivery cannot go from {current or 'nothing'} to {to}")


def sources_of(to: State, replay: ReplayKind = ReplayKind.none) -> frozenset[State]:
    """Return the states from which a delivery may go to `to`: what the ledger's script compares with."""
    return frozenset(
        state for state, targets in _targets(replay).items() if state is not None and to in targets
    )


def _targets(replay: ReplayKind) -> Mapping[Any, frozenset[State]]:
    return REPLAY_TRANSITIONS[replay] if replay else TRANSITIONS


RETRIED = frozenset({State.deferred, State.ambiguous})
"""The states in which a delivery waits for its next attempt."""

WAITING = RETRIED | {State.held}
"""The states in which a delivery waits for a record: of its next attempt, or of the time until which it is held."""


def is_open(state: State) -> bool:
    """Return whether a delivery is unfinished: another transition is still expected."""
    return state in _OPEN


@dataclass(frozen=True, slots=True)
class HistoryStep:
    """One state of a delivery, with its reason and time (ms): a line of its history.

    `owner`: of a claim the worker's owner epoch; steps are compared without it.
    """

    state: State
    reason: Reason
    at_ms: int
    attempt: int = 0
    detail: str = ""
    owner: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Entry:
    """A delivery in the ledger, newest step first.

    `rule` and `matched`: the audience rule that found the recipient, and the row that it matched.
    """

    event: str
    delivery: str
    recipient: str
    channel: str
    steps: tuple[HistoryStep, ...]
    rule: str = ""
    matched: str = ""

    @property
    def state(self) -> State:
        """Return the current state."""
        return self.steps[0].state

    @property
    def waits(self) -> bool:
        """Return whether it waits in the due set, or in the window of a digest."""
        held = self.state is State.held and self.newest_step.reason in HELD_UNTIL_A_TIME
        return held or self.state in RETRIED

    @property
    def newest_step(self) -> HistoryStep:
        """The step that gave the current state."""
        return self.steps[0]


class NewEntry(NamedTuple):
    """A delivery to enter: its first state, the audience rule that found the recipient, and the row that it matched."""

    event: str
    delivery: str
    recipient: str
    channel: str
    state: State
    reason: Reason
    at_ms: int
    detail: str = ""
    rule: str = ""
    matched: str = ""

    @classmethod
    def of_delivery(
        cls, delivery: Delivery, state: State, reason: Reason, at_ms: int, detail: str = ""
    ) -> "NewEntry":
        """Return the entry of a delivery with its first state."""
        return cls(
            delivery.event,
            delivery.id,
            delivery.recipient,
            delivery.channel,
            state,
            reason,
            at_ms,
            detail,
            delivery.rule,
            delivery.matched,
        )


UNCLAIMED = "-"
"""In `Transition.held_by`: no worker may have claimed the delivery."""


class Transition(NamedTuple):
    """A state change of one delivery, written only if `to` may follow the current state.

    With `owner` it is a worker's claim. A deferred or ambiguous delivery may be claimed only for its next attempt: its
    earlier record may be read again because it was not committed, and must not be sent before its time.
    `replay`: a transition by an operator, which has a table of its own.
    `held_by`: the owner whose claim this ends. It is refused unless the delivery is `sending` under that owner: a
    worker that was paused must not change what the worker that took over from it has done. With `UNCLAIMED` it is
    refused unless the delivery is `queued`.
    """

    event: str
    delivery: str
    to: State
    reason: Reason
    at_ms: int
    attempt: int = 0
    detail: str = ""
    owner: str = ""
    replay: ReplayKind = ReplayKind.none
    held_by: str = ""


class TransitionResult(NamedTuple):
    """The result of a transition: `state` is the current state of the delivery, `owner` the worker that claimed it."""

    applied: bool
    state: State | None
    owner: str = ""
    attempt: int = 0
