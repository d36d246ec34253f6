"""Soft bounce scores in memory."""

from collections.abc import Mapping, Sequence

from service.model.soft_bounce import SoftBounceScore
from tests.fakes.outage import Outage

_WEEK_MS = 7 * 86_400_000


class FakeSoftBounceScores:
    """Implements the SoftBounceScores port."""

    def __init__(self) -> None:
        self.outage = Outage()
        self.scores: dict[str, SoftBounceScore] = {}

    async def add(self, address_keys: Sequence[str], at_ms: int) -> Sequence[SoftBounceScore]:
        self.outage.check()
        scores = []
        for key in address_keys:
            score, before = self.scores.get(key, (0.0, at_ms))
            at = max(at_ms, before)
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

    async def clear(self, address_key: str) -> None:
        self.outage.check()
        self.scores.pop(address_key, None)
