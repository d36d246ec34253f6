"""The ledger's words: the closed sets of states and reasons, and the one place that checks a move."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from service.model.reasons import Reason


class State(StrEnum):
    """Where a delivery stands."""

    queued = "queued"
    sending = "sending"
    sent = "sent"
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


_OPEN = frozenset({State.queued, State.sending, State.held, State.deferred, State.ambiguous})
_ENDS = frozenset(
    {State.suppressed, State.expired, State.superseded, State.withdrawn, State.dead, State.skipped}
)
_WAITS = frozenset({State.held, State.deferred})

# sent → bounced: an asynchronous bounce (RFC 3464) arrives after the relay took the mail.
# delivered → withdrawn: the producer takes the inbox entry back.
# bounced, dead, expired, … → queued happens only by an operator's replay, which says so as its reason.
TRANSITIONS: Mapping[State | None, frozenset[State]] = {
    None: frozenset({State.queued, State.held, *_ENDS}),
    State.queued: frozenset({State.sending, State.delivered, State.bounced, *_WAITS, *_ENDS}),
    # a held delivery is queued before it is sent: a record that is read again must not send it
    State.held: frozenset({State.queued, *_ENDS}),
    State.deferred: frozenset(
        {State.queued, State.sending, State.deferred, State.held, State.bounced, *_ENDS}
    ),
    # a mail in flight cannot be taken back: what happens meanwhile is looked at when its answer is there
    State.sending: frozenset(
        {State.sent, State.queued, State.deferred, State.held, State.ambiguous}
        | {State.bounced, State.expired, State.dead}
    ),
    State.ambiguous: frozenset({State.sending, State.sent, State.queued, State.held, State.bounced, *_ENDS}),
    State.sent: frozenset({State.bounced}),
    State.delivered: frozenset({State.withdrawn}),
    **{end: frozenset({State.queued}) for end in (State.bounced, *sorted(_ENDS - {State.withdrawn}))},
    State.withdrawn: frozenset(),
}


class ReplayKind(StrEnum):
    """What kind of move an operator asks for; empty for every other move."""

    none = ""
    dead = "dead"
    """A dead letter is redriven."""
    missed = "missed"
    """What was not delivered is sent again."""
    again = "again"
    """So is what was delivered."""


_MISSED = frozenset(
    {State.bounced, State.held, State.deferred, State.ambiguous, *(_ENDS - {State.withdrawn})}
)
# Apart from MOVES, so that no stage can send a mail twice. `sending` is in none: that mail is on its way.
REPLAY_TRANSITIONS: Mapping[ReplayKind, Mapping[State, frozenset[State]]] = {
    kind: dict.fromkeys(sorted(states), frozenset({State.queued}))
    for kind, states in (
        (ReplayKind.dead, {State.dead}),
        (ReplayKind.missed, _MISSED),
        (ReplayKind.again, _MISSED | {State.sent, State.delivered}),
    )
}


class IllegalTransition(ValueError):
    """A move that the ledger does not allow."""


def check_transition(current: State | None, to: State, replay: ReplayKind = ReplayKind.none) -> None:
    """Raise IllegalTransition unless a delivery may go from `current` (None: not yet in the ledger) to `to`."""
    if to not in _moves(replay).get(current, frozenset()):
        raise IllegalTransition(f"a delivery cannot go from {current or 'nothing'} to {to}")


def sources_of(to: State, replay: ReplayKind = ReplayKind.none) -> frozenset[State]:
    """The states from which a delivery may go to `to`: what the ledger's script is told."""
    return frozenset(
        state for state, targets in _moves(replay).items() if state is not None and to in targets
    )


def _moves(replay: ReplayKind) -> Mapping[Any, frozenset[State]]:
    return REPLAY_TRANSITIONS[replay] if replay else TRANSITIONS


def is_open(state: State) -> bool:
    """Whether something is still to happen without an operator's doing."""
    return state in _OPEN


@dataclass(frozen=True, slots=True)
class HistoryStep:
    """One line of a delivery's history."""

    state: State
    reason: Reason
    at_ms: int
    attempt: int = 0
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """A delivery in the ledger, newest step first.

    `rule` and `matched`: the audience rule and the row that found the recipient.
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
        """Where it stands now."""
        return self.steps[0].state


class NewEntry(NamedTuple):
    """A delivery to enter: its first state, and by which rule (`rule`) and in which row (`matched`) it was found."""

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


class Transition(NamedTuple):
    """A state change of one delivery, written only if `to` may follow the current state.

    With `owner` it is a worker's claim. A deferred or ambiguous delivery may be claimed only for its next attempt: its
    earlier record may be read again because it was not committed, and must not be sent before its time.
    `replay`: a transition by an operator, which has a table of its own.
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


class TransitionResult(NamedTuple):
    """The result of a transition: `state` is the current state of the delivery, `owner` the worker that claimed it."""

    applied: bool
    state: State | None
    owner: str = ""
    attempt: int = 0
