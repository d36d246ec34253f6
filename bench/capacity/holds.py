"""What held mail costs beyond mail that is sent at once, from a run of `bench.holds --save`."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Self

import orjson

SAVED = Path(__file__).parent / "holds.json"


@dataclass(frozen=True, slots=True)
class HoldCost:
    """Of a held mail, or an item of a digest.

    `waiting_bytes`: in Redis while it waits. `ledger_bytes`, and `cpu_us` by process: beyond those of mail that is sent
    at once; an item takes less of what only messages cost.
    """

    waiting_bytes: float
    ledger_bytes: float
    cpu_us: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class HoldFigures:
    """Costs of mail that waits alone, and of items by how many are in a digest."""

    alone: HoldCost
    items: Mapping[int, HoldCost]

    def save(self, path: Path = SAVED) -> None:
        """Write the figures as JSON."""
        options = orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS | orjson.OPT_APPEND_NEWLINE
        path.write_bytes(orjson.dumps(asdict(self), option=options))

    @classmethod
    def load(cls, path: Path = SAVED) -> Self:
        """Read saved figures."""
        fields = orjson.loads(path.read_bytes())
        items = {int(size): HoldCost(**cost) for size, cost in fields["items"].items()}
        return cls(HoldCost(**fields["alone"]), items)

    def item(self, size: float) -> HoldCost:
        """Return the cost of an item of digests of this size, between measured sizes by the logarithm."""
        points = sorted(self.items.items())
        if size <= points[0][0]:
            return points[0][1]
        for (low, small), (high, large) in pairwise(points):
            if size <= high:
                return _between(small, large, math.log(size / low) / math.log(high / low))
        return points[-1][1]


def _between(one: HoldCost, other: HoldCost, share: float) -> HoldCost:
    return HoldCost(
        one.waiting_bytes + (other.waiting_bytes - one.waiting_bytes) * share,
        one.ledger_bytes + (other.ledger_bytes - one.ledger_bytes) * share,
        {name: us + (other.cpu_us[name] - us) * share for name, us in one.cpu_us.items()},
    )
