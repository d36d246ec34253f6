"""Soft bounce scores in memory."""

from collections.abc import Mapping, Sequence

from service.model.blocks.suppression import SoftBounceScore
from tests.fakes.outage import Outage

_DAY_MS = 86_400_000
_WEEK_MS = 7 * _DAY_MS
_AHEAD_MS = 600_000


class FakeSoftBounceScores:
    """Implements the SoftBounceScores port."""

    def __init__(self) -> None:
        self.outage = Outage()
        self.scores: dict[str, SoftBounceScore] = {}
        self.counted: dict[tuple[str, str], int] = {}

    async def add(self, failures: Sequence[tuple[str, str]], at_ms: int) -> Sequence[SoftBounceScore]:
        self.outage.check()
        scores = []
        for key, delivery in failures:
            score, before = self.scores.get(key, (0.0, at_ms))
            if before > at_ms + _AHEAD_MS:
                before = at_ms
            at = max(at_ms, before)
            if key in self.scores and at - self.counted.get((key, delivery), -_DAY_MS) < _DAY_MS:
                scores.append(self.scores[key])
                continue
            self.counted[key, delivery] = at
            self.scores[key] = SoftBounceScore(round(score * 0.5 ** ((at - before) / _WEEK_MS) + 1, 6), at)
            scores.append(self.scores[key])
        return scores

    async def put(self, scores: Mapping[str, SoftBounceScore], now_ms: int) -> None:
        self.outage.check()
        for key, score in scores.items():
            stored = self.scores.get(key)
            newer = stored is not None and stored.at_ms > score.at_ms
            if not newer and now_ms - score.at_ms < 8 * _WEEK_MS:
                self.scores[key] = score
                self._forget(key)

    async def clear(self, address_key: str) -> None:
        self.outage.check()
        self.scores.pop(address_key, None)
        self._forget(address_key)

    def _forget(self, address_key: str) -> None:
        for key, delivery in [*self.counted]:
            if key == address_key:
                del self.counted[key, delivery]
