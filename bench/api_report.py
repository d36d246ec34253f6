"""The API benchmark's table for people and its line of JSON for scripts."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

from rich.console import Console
from rich.table import Table


@dataclass(slots=True)
class Rounds:
    """One case: p50 and p99 of each round in ms, CPU of the server in µs a request."""

    middles: list[float] = field(default_factory=list)
    tails: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    failed: int = 0


class Side:
    """What one server did, by case."""

    def __init__(self) -> None:
        self.cases: dict[str, Rounds] = {}

    def note(self, case: str, seconds: Sequence[float], failed: int, cpu: float) -> None:
        """One round; `failed` had no good answer, or none in time."""
        rounds, times = self.cases.setdefault(case, Rounds()), sorted(seconds) or [float("inf")]
        rounds.middles.append(times[len(times) // 2] * 1000)
        rounds.tails.append(times[int((len(times) - 1) * 0.99)] * 1000)
        rounds.cpu.append(cpu)
        rounds.failed += failed

    def told(self) -> dict[str, float]:
        """By case and share, in ms."""
        return {
            f"{case} {share}": round(median(values), 2)
            for case, rounds in self.cases.items()
            for share, values in (("p50", rounds.middles), ("p99", rounds.tails))
        }

    def spent(self) -> dict[str, float]:
        """CPU by case, in µs a request."""
        return {case: round(median(rounds.cpu), 1) for case, rounds in self.cases.items()}


def report(ours: Side, bare: Side, title: str) -> None:
    """Print both."""
    table = Table(title=title)
    table.add_column("case")
    for heading in (
        "p50 ms",
        "p99 ms",
        "p99 of each round",
        "bare p50",
        "bare p99",
        "CPU µs",
        "bare",
        "failed",
    ):
        table.add_column(heading, justify="right")
    for case, rounds in ours.cases.items():
        beside = bare.cases[case]
        table.add_row(
            case,
            *(f"{median(values):.2f}" for values in (rounds.middles, rounds.tails)),
            " ".join(f"{ms:.1f}" for ms in rounds.tails),
            *(f"{median(values):.2f}" for values in (beside.middles, beside.tails)),
            *(f"{median(values):.0f}" for values in (rounds.cpu, beside.cpu)),
            str(rounds.failed),
        )
    Console(width=150).print(table)
    line = {
        "bench": "api",
        "unit": "ms",
        "ours": ours.told(),
        "against": {"starlette": bare.told()},
        "lost": sum(rounds.failed for rounds in ours.cases.values()),
        "duplicates": 0,
        "cpu_us_per_request": {"tocsin": ours.spent(), "starlette": bare.spent()},
    }
    print(json.dumps(line))
