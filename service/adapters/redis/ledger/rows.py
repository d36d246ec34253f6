"""How a delivery is written in the ledger: its steps, newest first, and last who it is for.

A step is `STATE⇥REASON⇥AT⇥ATTEMPT⇥OWNER⇥DETAIL`, the last line `RECIPIENT⇥CHANNEL⇥FOUND⇥SCOPE`: some 70 bytes at first.
"""

from collections.abc import Mapping
from typing import Any

import orjson

from service.adapters.redis.keys import escape, unescape
from service.model.ledger import (
    REPLAY_TRANSITIONS,
    TRANSITIONS,
    Entry,
    HistoryStep,
    NewEntry,
    ReplayKind,
    State,
    Transition,
    TransitionResult,
    sources_of,
)
from service.model.reasons import Reason
from service.ports import EventHead

LONGEST_ROW = 4096
_LONGEST_DETAIL = 300
_OPTIONAL = ("external_id", "project_id", "account", "actor", "expires_ms", "traceparent")

ALLOWED: Mapping[State, str] = {
    to: f",{','.join(sorted(sources_of(to)))}," for to in TRANSITIONS if to is not None
}
"""For each state those from which it may follow, as the scripts search it."""

REPLAYABLE: Mapping[ReplayKind, str] = {
    kind: f",{','.join(sorted(sources_of(State.queued, kind)))}," for kind in REPLAY_TRANSITIONS
}
"""The same for an operator's moves, which all lead to `queued`."""

STATES: Mapping[bytes, State] = {state.value.encode(): state for state in State}


def first_row(new_entry: NewEntry) -> str:
    """The row of a delivery that is entered."""
    detail = _line(new_entry.detail) if new_entry.detail else ""
    return (
        f"{new_entry.state}\t{new_entry.reason}\t{new_entry.at_ms}\t0\t\t{detail}\n"
        f"{escape(new_entry.recipient)}\t{new_entry.channel}\t{new_entry.rule}\t{escape(new_entry.matched)}"
    )


def step_of(transition: Transition) -> str:
    """A move as the step it adds."""
    owner = _line(transition.owner) if transition.owner else ""
    detail = _line(transition.detail) if transition.detail else ""
    return (
        f"{transition.to}\t{transition.reason}\t{transition.at_ms}\t{transition.attempt}\t{owner}\t{detail}"
    )


def results(transition: Transition, answer: bytes) -> TransitionResult:
    """What the script said became of a move."""
    if answer == b"1":
        return TransitionResult(True, transition.to, transition.owner, transition.attempt)
    if not answer:
        return TransitionResult(False, None)
    state, _, _, attempt, owner, _ = answer.split(b"\t", 5)
    return TransitionResult(False, STATES[state], owner.decode(), int(attempt))


def entry_of(event: str, delivery: str, row: bytes) -> Entry:
    """A row as it was written."""
    *steps, person = row.decode(errors="surrogatepass").split("\n")
    recipient, channel, *rest = person.split("\t")
    found, scope = rest or ("", "")
    history = tuple(map(_step, steps))
    return Entry(event, delivery, unescape(recipient), channel, history, found, unescape(scope))


def head_bytes(head: EventHead) -> bytes:
    """What is kept of an event: not its data, which the log has at `position`."""
    event = head.event
    kept: dict[str, Any] = {
        "type": event.type,
        "source": event.source,
        "id": event.id,
        "time_ms": event.time_ms,
        "received_ms": event.received_ms,
    }
    for name in _OPTIONAL:
        if (value := getattr(event, name)) is not None and value != "":
            kept[name] = value
    if event.recipients is not None:
        kept["recipients"] = len(event.recipients)
    if head.position:
        kept["position"] = head.position
    return orjson.dumps(kept)


def _step(line: str) -> HistoryStep:
    state, reason, at, attempt, _, detail = line.split("\t", 5)
    return HistoryStep(State(state), Reason(reason), int(at), int(attempt), detail)


def _line(text: str) -> str:
    """Without what separates steps and fields, and not too long."""
    return " ".join(text[:_LONGEST_DETAIL].split())
