"""Scores of mailboxes in memory."""

from collections.abc import Sequence

from tests.fakes.outage import Outage

_WEEK_MS = 7 * 86_400_000


class FakeSoftBounces:
    """SoftBounces."""

    def __init__(self) -> None:
        self.outage = Outage()
        self.scores: dict[str, tuple[float, int]] = {}

    async def add(self, address_keys: Sequence[str], at_ms: int) -> Sequence[float]:
        self.outage.check()
        found = []
        for key in address_keys:
            score, before = self.scores.get(key, (0.0, at_ms))
            at = max(at_ms, before)
            score = score * 0.5 ** ((at - before) / _WEEK_MS) + 1
            self.scores[key] = (score, at)
            found.append(score)
        return found

    async def clear(self, address_key: str) -> None:
        self.outage.check()
        self.scores.pop(address_key, None)
