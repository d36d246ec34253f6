"""When to try again: patience as mail needs it, from half a minute to hours, never at the same beat."""

import random

_FIRST_S = 30.0
_MOST_S = 4 * 3600.0


def next_try_ms(attempt: int, now_ms: int, asked_s: float | None, rng: random.Random) -> int:
    """When to make the attempt after `attempt` (from 1), in ms: about 1 min, doubling to 4 h, ± 50 %.

    `asked_s`: what the other side, or our own rest, asks for in seconds; never earlier than that.
    """
    base = min(_MOST_S, _FIRST_S * 2.0 ** min(attempt, 20))
    return now_ms + int(1000 * max(asked_s or 0.0, base * rng.uniform(0.5, 1.5)))
