"""The format of a delivery in the ledger: a line for each step, newest first, then the recipient's line.

A step is `STATE⇥REASON⇥AT⇥ATTEMPT⇥OWNER⇥DETAIL`, the recipient's line `RECIPIENT⇥CHANNEL⇥RULE⇥MATCHED`: some 70 bytes
for a new delivery.
"""

from collections.abc import Mapping, Sequence
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
from service.model.restored_history import LoggedDelivery
from service.ports import EventHead

_REASONS = frozenset(reason.value for reason in Reason)
LONGEST_ROW = 4096
_LONGEST_DETAIL = 300
_OPTIONAL = ("external_id", "project_id", "account", "actor", "expires_ms", "traceparent", "stated_ms")

ALLOWED: Mapping[State, str] = {
    to: f",{','.join(sorted(sources_of(to)))}," for to in TRANSITIONS if to is not None
}
"""For each state the states from which it may follow, in the form that scripts search."""

REPLAYABLE: Mapping[ReplayKind, str] = {
    kind: f",{','.join(sorted(sources_of(State.queued, kind)))}," for kind in REPLAY_TRANSITIONS
}
"""The same for an operator's transitions, which all lead to `queued`."""

STATES: Mapping[bytes, State] = {state.value.encode(): state for state in State}


def first_row(new_entry: NewEntry) -> str:
    """Return the row of a new delivery."""
    detail = _line(new_entry.detail) if new_entry.detail else ""
    return (
        f"{new_entry.state}\t{new_entry.reason}\t{new_entry.at_ms}\t0\t\t{detail}\n"
        f"{escape(new_entry.recipient)}\t{new_entry.channel}\t{new_entry.rule}\t{escape(new_entry.matched)}"
    )


def restored_row(logged: LoggedDelivery, steps: Sequence[HistoryStep], row: bytes) -> str:
    """Return the row of a delivery with these steps, newest first; the recipient's line of an existing row is kept.

    Of a row that is too long the oldest steps are dropped, except the very first, as the ledger's script does.
    """
    recipient_line = f"{escape(logged.recipient)}\t{logged.channel}\t{logged.rule}\t{escape(logged.matched)}"
    if row:
        recipient_line = row[row.rfind(b"\n") + 1 :].decode(errors="surrogatepass")
    return _bounded([*map(_step_line, steps), recipient_line])


def step_lines(steps: Sequence[HistoryStep]) -> str:
    """Return steps that belong to no row, one a line, as many as a row may have."""
    return _bounded([*map(_step_line, steps), ""]).rstrip("\n")


def steps_in(lines: bytes) -> list[HistoryStep]:
    """Return the steps of `step_lines`. Raise ValueError."""
    return [_step(line) for line in lines.decode(errors="surrogatepass").split("\n") if line]


def _bounded(lines: list[str]) -> str:
    size = sum(len(line.encode(errors="surrogatepass")) + 1 for line in lines)
    while size > LONGEST_ROW and len(lines) > 3:
        size -= len(lines.pop(-3).encode(errors="surrogatepass")) + 1
    return "\n".join(lines)


def _step_line(step: HistoryStep) -> str:
    owner, detail = _line(step.owner), _line(step.detail)
    return f"{step.state}\t{step.reason}\t{step.at_ms}\t{step.attempt}\t{owner}\t{detail}"


def step_of(transition: Transition) -> str:
    """Return the step that a transition adds."""
    owner = _line(transition.owner) if transition.owner else ""
    detail = _line(transition.detail) if transition.detail else ""
    return (
        f"{transition.to}\t{transition.reason}\t{transition.at_ms}\t{transition.attempt}\t{owner}\t{detail}"
    )


def result_of(transition: Transition, answer: bytes) -> TransitionResult:
    """Return the result of a transition from the script's answer."""
    if answer == b"1":
        return TransitionResult(True, transition.to, transition.owner, transition.attempt)
    return current_of(answer)


def current_of(answer: bytes) -> TransitionResult:
    """Return the current state of a delivery from its newest step; empty where there is no such delivery."""
    if not answer:
        return TransitionResult(False, None)
    state, _, _, attempt, owner, _ = answer.split(b"\t", 5)
    return TransitionResult(False, STATES[state], owner.decode(), int(attempt))


def entry_of(event: str, delivery: str, row: bytes) -> Entry:
    """Return the delivery in a row. Raise ValueError for a row that is not in this format."""
    *steps, recipient_line = row.decode(errors="surrogatepass").split("\n")
    recipient, channel, *rest = recipient_line.split("\t")
    rule, matched = rest or ("", "")
    history = tuple(map(_step, steps))
    return Entry(event, delivery, unescape(recipient), channel, history, rule, unescape(matched))


def head_bytes(head: EventHead) -> bytes:
    """Return the head of an event as JSON: not its data, which Kafka has at `position`."""
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
    state, reason, at, attempt, owner, detail = line.split("\t", 5)
    return HistoryStep(State(state), _reason(reason), int(at), int(attempt), detail, owner)


def _reason(text: str) -> Reason:
    """Return a reason; none for one that only a newer version knows, as during a rolling upgrade."""
    return Reason(text) if text in _REASONS else Reason.none


def _line(text: str) -> str:
    """Return the text without the separators of steps and fields, and not too long."""
    return " ".join(text[:_LONGEST_DETAIL].split())
