"""The format of a delivery in the ledger. Numbers are big-endian.

| part | bytes |
|---|---|
| spread | 1: the exponent of the buckets that a wide event is spread over, else 0; the scripts set it |
| count | 1: number of steps |
| steps | newest first, 9 each: state × 4096 + attempt (2), reason (1), time in ms (6), perhaps a text |
| channel, rule | 1: channel × 16 + rule |
| recipient, matched | two texts, in the format of `texts` |

A step with 64 added to its reason says that the delivery was claimed for it, and has behind it how long before (ms, 2).
A step with a text has 128 added, and the length (2) and UTF-8 behind it; a detail that has a code is 255 and the code.
The text is the detail; of a claim that has not ended, the worker's owner epoch; of a step that a rebuild inserted,
`\\x01`. A delivery with two steps has some 32 bytes and those of the recipient.
"""

from collections.abc import Mapping, Sequence
from struct import Struct

from service.adapters.redis.ledger.codes import (
    CHANNEL_CODES,
    CHANNELS,
    DETAIL_CODES,
    DETAILS,
    REASON_CODES,
    REASONS,
    RULE_CODES,
    RULES,
    STATE_CODES,
    STATES,
)
from service.adapters.redis.ledger.texts import read_text, repeated_text_bytes
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
from service.model.restored_history import INSERTED, RESTORED, LoggedDelivery

LONGEST_ROW = 4096
_LONGEST_DETAIL = 300
_STEP = Struct(">HBHI")
_LENGTH = Struct(">H")
_MOST_ATTEMPTS = 4095
_REASON, _HAS_CLAIM, _HAS_TEXT = 63, 64, 128
_INSERTED_TEXT = "\x01"
_KNOWN_TEXT = 255
_FIRST_STEP = 2


def _codes_of(states: frozenset[State]) -> bytes:
    return bytes(sorted(STATE_CODES[state] for state in states))


ALLOWED: Mapping[State, bytes] = {to: _codes_of(sources_of(to)) for to in STATES if to in TRANSITIONS}
"""For each state the codes of the states from which it may follow."""

REPLAYABLE: Mapping[tuple[ReplayKind, State], bytes] = {
    (kind, to): _codes_of(sources_of(to, kind)) for kind in REPLAY_TRANSITIONS for to in STATES
}
"""The same for an operator's transitions, by their kind and state."""


def step_bytes(
    state: State, reason: Reason, at_ms: int, attempt: int = 0, *, detail: str = "", owner: str = ""
) -> bytes:
    """Return a step."""
    code = REASON_CODES[reason] | (_HAS_TEXT if detail or owner else 0)
    head = STATE_CODES[state] << 12 | min(attempt, _MOST_ATTEMPTS)
    step = _STEP.pack(head, code, at_ms >> 32 & 0xFFFF, at_ms & 0xFFFFFFFF)
    if not (detail or owner):
        return step
    if known := DETAIL_CODES.get(detail):
        return step + bytes((_KNOWN_TEXT, known))
    text = _INSERTED_TEXT if owner == INSERTED else owner or detail
    octets = " ".join(text[:_LONGEST_DETAIL].split()).encode(errors="surrogatepass")
    return step + _LENGTH.pack(len(octets)) + octets


def first_row(new_entry: NewEntry) -> bytes:
    """Return the row of a new delivery."""
    return (
        b"\0\x01"
        + step_bytes(new_entry.state, new_entry.reason, new_entry.at_ms, detail=new_entry.detail)
        + _recipient_bytes(new_entry.recipient, new_entry.channel, new_entry.rule, new_entry.matched)
    )


def transition_step(transition: Transition) -> bytes:
    """Return the step that a transition adds."""
    return step_bytes(
        transition.to,
        transition.reason,
        transition.at_ms,
        transition.attempt,
        detail=transition.detail,
        owner=transition.owner,
    )


def restored_row(logged: LoggedDelivery, steps: Sequence[HistoryStep], row: bytes) -> bytes:
    """Return the row of a delivery with these steps, newest first; the recipient of an existing row is kept.

    Of a row that is too long the oldest steps are dropped, except the very first, as the ledger's scripts do.
    """
    recipient = _recipient_bytes(logged.recipient, logged.channel, logged.rule, logged.matched)
    if row:
        recipient = row[_end_of_steps(row) :]
    kept = _bounded([_history_step(step) for step in steps], LONGEST_ROW - _FIRST_STEP - len(recipient))
    return bytes((0, len(kept))) + b"".join(kept) + recipient


def step_list(steps: Sequence[HistoryStep]) -> bytes:
    """Return steps that belong to no row, as many as a row may have; empty for none."""
    return b"".join(_bounded([_history_step(step) for step in steps], LONGEST_ROW))


def steps_in(octets: bytes) -> list[HistoryStep]:
    """Return the steps of `step_list`. Raise ValueError."""
    steps, place = list[HistoryStep](), 0
    while place < len(octets):
        more, place = _read_step(octets, place)
        steps += more
    return steps


def result_of(transition: Transition, answer: bytes) -> TransitionResult:
    """Return the result of a transition from the script's answer."""
    if answer == b"1":
        return TransitionResult(True, transition.to, transition.owner, transition.attempt)
    return current_of(answer)


def current_of(answer: bytes) -> TransitionResult:
    """Return the current state of a delivery from its newest step; empty where there is no such delivery."""
    if not answer:
        return TransitionResult(False, None)
    (step, *_), _ = _read_step(answer, 0)
    return TransitionResult(False, step.state, step.owner, step.attempt)


def current_of_row(row: bytes) -> TransitionResult:
    """Return the current state of a delivery from its row; empty where there is no such delivery."""
    return current_of(row[_FIRST_STEP:])


def newest_step_of(row: bytes) -> HistoryStep:
    """Return the newest step in a row. Raise ValueError for a row that is not in this format."""
    (step, *_), _ = _read_step(row, _FIRST_STEP)
    return step


def entry_of(event: str, delivery: str, row: bytes) -> Entry:
    """Return the delivery in a row. Raise ValueError for a row that is not in this format."""
    try:
        steps, place = list[HistoryStep](), _FIRST_STEP
        for _ in range(row[1]):
            more, place = _read_step(row, place)
            steps += more
        channel, rule = divmod(row[place], 16)
        if not (steps and channel):
            raise ValueError("not a row of the ledger")
        recipient, place = read_text(row, place + 1)
        matched, place = read_text(row, place)
        return Entry(
            event,
            delivery,
            recipient,
            CHANNELS[channel - 1],
            tuple(steps),
            RULES[rule - 1] if rule else "",
            matched,
        )
    except IndexError:
        raise ValueError("not a row of the ledger") from None


def _recipient_bytes(recipient: str, channel: str, rule: str, matched: str) -> bytes:
    codes = CHANNEL_CODES[channel] << 4 | (RULE_CODES[rule] if rule else 0)  # type: ignore[index]
    return bytes((codes,)) + repeated_text_bytes(recipient) + repeated_text_bytes(matched)


def _history_step(step: HistoryStep) -> bytes:
    owner = step.owner if step.state is State.sending or step.owner == INSERTED else ""
    return step_bytes(step.state, step.reason, step.at_ms, step.attempt, detail=step.detail, owner=owner)


def _bounded(steps: list[bytes], most: int) -> list[bytes]:
    size = sum(map(len, steps))
    while (size > most or len(steps) > 254) and len(steps) > 2:
        size -= len(steps.pop(-2))
    return steps


def _read_step(octets: bytes, place: int) -> tuple[list[HistoryStep], int]:
    """Return the step at a place, with the claim before it if it has one, and the next place. Raise ValueError."""
    if len(octets) < place + _STEP.size:
        raise ValueError("not a step of the ledger")
    head, code, high, low = _STEP.unpack_from(octets, place)
    place += _STEP.size
    state, attempt, at_ms, detail, owner = (
        _member(STATES, head >> 12),
        head & _MOST_ATTEMPTS,
        high << 32 | low,
        "",
        "",
    )
    claimed = list[HistoryStep]()
    if code & _HAS_CLAIM:
        before_ms, place = _length(octets, place)
        claimed.append(HistoryStep(State.sending, Reason.none, at_ms - before_ms, attempt))
    if code & _HAS_TEXT:
        length, place = _length(octets, place)
        known, number = divmod(length, 256)
        if known == _KNOWN_TEXT:
            text = DETAILS[number - 1] if 0 < number <= len(DETAILS) else ""
        else:
            place += length
            if len(octets) < place:
                raise ValueError("not a step of the ledger")
            text = octets[place - length : place].decode(errors="surrogatepass")
        if text == _INSERTED_TEXT:
            detail, owner = RESTORED, INSERTED
        elif state is State.sending:
            owner = text
        else:
            detail = text
    reason = code & _REASON
    # a code that only a newer version knows, as during a rolling upgrade, counts as no reason
    known_reason = REASONS[reason - 1] if 0 < reason <= len(REASONS) else Reason.none
    return [HistoryStep(state, known_reason, at_ms, attempt, detail, owner), *claimed], place


def _length(octets: bytes, place: int) -> tuple[int, int]:
    """Return the number of two bytes at a place, and the place after it. Raise ValueError."""
    if len(octets) < place + 2:
        raise ValueError("not a step of the ledger")
    return int.from_bytes(octets[place : place + 2], "big"), place + 2


def _member(states: Sequence[State], code: int) -> State:
    if code > len(states):  # code 0 is the last one's
        raise ValueError("not a state of the ledger")
    return states[code - 1]


def _end_of_steps(row: bytes) -> int:
    place = _FIRST_STEP
    for _ in range(row[1]):
        _, place = _read_step(row, place)
    return place
