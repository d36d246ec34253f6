"""What waits in the due set, by the hour in which it is due."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from service.model.catalogue import Lane
from service.model.ledger import State
from service.model.reasons import Reason
from service.model.validators import MAX_TIME_MS
from service.ports import DueSet

_HOUR_MS = 3_600_000
_HOURS = 24


class DueHours(NamedTuple):
    """The due set at a time (ms). `hours`: how many are due in the hours that begin at `bounds_ms`; `later`: after."""

    overdue: int
    bounds_ms: Sequence[int]
    hours: Sequence[int]
    later: int
    groups: Mapping[tuple[Lane, State], int]
    oldest_ms: int | None
    held: Mapping[tuple[Lane, Reason], int]

    @property
    def total(self) -> int:
        """Return how many wait."""
        return self.overdue + sum(self.hours) + self.later

    def document(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "total": self.total,
            "overdue": self.overdue,
            "oldest_ms": self.oldest_ms,
            "hours": [
                {"from_ms": start, "to_ms": end, "count": count}
                for (start, end), count in zip(pairwise(self.bounds_ms), self.hours, strict=True)
            ],
            "later": self.later,
            "groups": [
                {"lane": lane.value, "state": state.value, "count": count}
                for (lane, state), count in sorted(self.groups.items())
            ],
            "held": [
                {"lane": lane.value, "reason": reason.value, "count": count}
                for (lane, reason), count in sorted(self.held.items())
            ],
        }


async def due_hours(due: DueSet, now_ms: int) -> DueHours:
    """Return what is overdue, due in each of the next 24 hours of the clock, and later. Raise Unavailable."""
    first_ms = now_ms - now_ms % _HOUR_MS + _HOUR_MS
    bounds_ms = [now_ms, *(first_ms + n * _HOUR_MS for n in range(_HOURS))]
    overdue, *hours, later = await due.count_between([0, *bounds_ms, MAX_TIME_MS])
    return DueHours(
        overdue,
        bounds_ms,
        hours,
        later,
        await due.standing(),
        await due.oldest_ms(),
        await due.held_by_reason(),
    )
