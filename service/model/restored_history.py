"""The history of a delivery from steps in no order, as the records of its outcomes give them.

Outcomes are published by several workers, late, twice, and by clocks that differ. So their order in Kafka is not the
order in which the ledger changed. `arrange` puts the steps into an order that TRANSITIONS allows, by time where that
is possible. Its result depends on the set of steps only, not on the order in which they come: history can be read in
parts, again, or with a part that the ledger holds already.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

from service.model.ledger import REPLAY_TRANSITIONS, TRANSITIONS, HistoryStep, ReplayKind, State
from service.model.reasons import RETURN_REASONS, Reason

INSERTED = "restored"
"""The owner of a step that no record has: a claim, of which there are no outcomes, or a step whose outcome was lost."""

RESTORED = "restored from Kafka, which has no record of this step"
_REPLAYABLE = frozenset(REPLAY_TRANSITIONS[ReplayKind.again])
_LAST = 1 << 30


class LoggedDelivery(NamedTuple):
    """A delivery as records have it, with steps in no order. `since_ms`: when it was entered, where no step says so."""

    event: str
    delivery: str
    recipient: str
    channel: str
    rule: str
    matched: str
    since_ms: int
    steps: Sequence[HistoryStep] = ()


class ArrangedHistory(NamedTuple):
    """The history, newest step first, and the steps that are not part of it, as repeated ones.

    Keep `left_over`: with a step that comes later they may become a part of it.
    """

    steps: tuple[HistoryStep, ...]
    left_over: tuple[HistoryStep, ...]


def arrange(steps: Iterable[HistoryStep], since_ms: int) -> ArrangedHistory:
    """Return the history that these steps make; steps that an earlier call inserted are inserted again.

    `since_ms`: the time of the first step where none of these can be the first.
    """
    ordered = sorted({_identity(step): step for step in steps if step.owner != INSERTED}.values(), key=_order)
    opening, rest = _opening(ordered, since_ms)
    path, aside = [opening], list[HistoryStep]()
    left_over: list[HistoryStep] = []
    for step in rest:
        if _between(path[-1], step) is not None:
            path.append(step)
        elif _repeats(path[-1], step):
            left_over.append(step)
        else:
            aside.append(step)
    while aside and (placed := [step for step in aside if _insert(path, step)]):
        aside = [step for step in aside if step not in placed]
    complete = [opening]
    for before, step in pairwise(path):
        complete += [*(_between(before, step) or ()), step]
    return ArrangedHistory(tuple(reversed(complete)), tuple(sorted([*left_over, *aside], key=_order)))


def _identity(step: HistoryStep) -> tuple[object, ...]:
    return step.state, step.reason, step.at_ms, step.attempt, step.owner


def _order(step: HistoryStep) -> tuple[object, ...]:
    """Return the key of the order by time; of the same millisecond an earlier attempt, and a claim before its result.

    What came back by mail comes after all attempts.
    """
    attempt = _LAST if _came_back(step) else step.attempt
    rank = 0 if _is_opening(step) else 1 if step.state is State.sending else 3 if _is_replay(step) else 2
    return step.at_ms, attempt, rank, step.state, step.reason, step.attempt, step.owner


def _came_back(step: HistoryStep) -> bool:
    """Return whether a step is of a message that came back by mail, which belongs to no attempt."""
    return step.reason in RETURN_REASONS or step.state is State.returned


def _is_replay(step: HistoryStep) -> bool:
    return step.state is State.queued and step.reason is Reason.replayed


def _is_opening(step: HistoryStep) -> bool:
    """Return whether a step can only be the first: `queued`, but not by a replay nor by a relay that took no mail."""
    return step.state is State.queued and step.reason is Reason.none


def _repeats(before: HistoryStep, step: HistoryStep) -> bool:
    return (before.state, before.attempt, _is_replay(before)) == (step.state, step.attempt, _is_replay(step))


def _opening(ordered: Sequence[HistoryStep], since_ms: int) -> tuple[HistoryStep, Sequence[HistoryStep]]:
    """Return the first step and the others: of several openings the earliest, for resolve may read a record twice."""
    others = [step for step in ordered if not _is_opening(step)]
    opening = next(filter(_is_opening, ordered), None)
    if opening is None and others and others[0].state in TRANSITIONS[None] and not _is_replay(others[0]):
        opening, others = others[0], others[1:]
    return opening or HistoryStep(State.queued, Reason.none, since_ms, 0, RESTORED, INSERTED), others


def _between(before: HistoryStep, step: HistoryStep) -> list[HistoryStep] | None:
    """Return the steps that are missing between two, mostly none; None where the second cannot follow the first."""
    if step.attempt and step.attempt < before.attempt:
        return None
    if _is_replay(step):
        return [] if before.state in _REPLAYABLE else None
    # only a claim counts an attempt, so one that is counted was claimed
    claimed = step.attempt > before.attempt and step.state is not State.sending
    if step.state in TRANSITIONS[before.state] and not (claimed and _after_claim(before, step)):
        return []
    if _after_claim(before, step):
        return [_inserted(State.sending, Reason.none, step, step.attempt)]
    if claimed and before.attempt and before.state in _REPLAYABLE and step.at_ms >= before.at_ms:
        replay = _inserted(State.queued, Reason.replayed, step, before.attempt)
        if (after := _between(replay, step)) is not None:
            return [replay, *after]
    return None


def _after_claim(before: HistoryStep, step: HistoryStep) -> bool:
    return (
        not _came_back(step)
        and step.state in TRANSITIONS[State.sending]
        and State.sending in TRANSITIONS[before.state]
    )


def _inserted(state: State, reason: Reason, step: HistoryStep, attempt: int) -> HistoryStep:
    return HistoryStep(state, reason, step.at_ms, attempt, RESTORED, INSERTED)


def _insert(path: list[HistoryStep], step: HistoryStep) -> bool:
    """Insert a step where it fits, as near to its time as possible; return whether it fits anywhere."""
    places = [
        place
        for place in range(1, len(path) + 1)
        if _between(path[place - 1], step) is not None
        and (place == len(path) or _between(step, path[place]) is not None)
    ]
    if not places:
        return False
    path.insert(max(places, key=lambda place: (-_displacement(path, place, step.at_ms), place)), step)
    return True


def _displacement(path: Sequence[HistoryStep], place: int, at_ms: int) -> int:
    """Return by how much a time (ms) is out of order at this place."""
    after_ms = path[place].at_ms if place < len(path) else at_ms
    return max(0, path[place - 1].at_ms - at_ms) + max(0, at_ms - after_ms)
