"""The report of the API benchmark: a table, and a line of JSON for scripts."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

from rich.console import Console
from rich.table import Table


@dataclass(slots=True)
class Rounds:
    """The rounds of one case: p50 and p99 in ms, CPU of the server in µs per request, failed requests."""

    p50s_ms: list[float] = field(default_factory=list)
    p99s_ms: list[float] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)
    failed: int = 0


class Figures:
    """The figures of one server, by case."""

    def __init__(self) -> None:
        self.cases: dict[str, Rounds] = {}

    def add(self, case: str, times_s: Sequence[float], failed: int, cpu_us: float) -> None:
        """Add one round. A request has failed when its response was an error or came too late."""
        rounds, times = self.cases.setdefault(case, Rounds()), sorted(times_s) or [float("inf")]
        rounds.p50s_ms.append(times[len(times) // 2] * 1000)
        rounds.p99s_ms.append(times[int((len(times) - 1) * 0.99)] * 1000)
        rounds.cpu_us.append(cpu_us)
        rounds.failed += failed

    def latencies(self) -> dict[str, float]:
        """Return the median p50 and p99 of each case in ms."""
        return {
            f"{case} {share}": round(median(values), 2)
            for case, rounds in self.cases.items()
            for share, values in (("p50", rounds.p50s_ms), ("p99", rounds.p99s_ms))
        }

    def cpu(self) -> dict[str, float]:
        """Return the median CPU of each case in µs per request."""
        return {case: round(median(rounds.cpu_us), 1) for case, rounds in self.cases.items()}


def report(ours: Figures, bare: Figures, title: str) -> None:
    """Print the table and the line of JSON."""
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
            *(f"{median(values):.2f}" for values in (rounds.p50s_ms, rounds.p99s_ms)),
            " ".join(f"{ms:.1f}" for ms in rounds.p99s_ms),
            *(f"{median(values):.2f}" for values in (beside.p50s_ms, beside.p99s_ms)),
            *(f"{median(values):.0f}" for values in (rounds.cpu_us, beside.cpu_us)),
            str(rounds.failed),
        )
    Console(width=150).print(table)
    line = {
        "bench": "api",
        "unit": "ms",
        "ours": ours.latencies(),
        "against": {"starlette": bare.latencies()},
        "lost": sum(rounds.failed for rounds in ours.cases.values()),
        "duplicates": 0,
        "cpu_us_per_request": {"tocsin": ours.cpu(), "starlette": bare.cpu()},
    }
    print(json.dumps(line))
