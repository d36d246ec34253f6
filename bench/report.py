"""The table for people and the line of JSON for scripts."""

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from statistics import median

from rich.console import Console
from rich.table import Table

OURS = "tocsin"


@dataclass(slots=True)
class Result:
    """One case on one side. Rates in events a second; latencies in ms, sorted; `cpu` in µs an event by process."""

    case: str
    side: str
    rates: list[float] = field(default_factory=list)
    cpu: list[dict[str, float]] = field(default_factory=list)
    latencies: Sequence[int] = ()
    lost: int = 0
    duplicates: int = 0

    def add(self, run: tuple[float, int, int, dict[str, float]]) -> None:
        """One closed-loop run."""
        rate, lost, duplicates, spent = run
        self.rates.append(rate)
        self.cpu.append(spent)
        self.lost += lost
        self.duplicates += duplicates

    @property
    def rate(self) -> float:
        """The median of the runs."""
        return median(self.rates)

    @property
    def spent(self) -> dict[str, float]:
        """CPU µs an event by process: the medians."""
        return {name: median(run[name] for run in self.cpu) for name in self.cpu[0]}

    @property
    def cost(self) -> float:
        """CPU µs an event of all processes but the load."""
        return sum(value for name, value in self.spent.items() if name != "load")

    def percentile(self, share: float) -> int | None:
        """A latency in ms."""
        return self.latencies[int((len(self.latencies) - 1) * share)] if self.latencies else None


def report(results: Sequence[Result], options: argparse.Namespace) -> None:
    """Print both."""
    title = f"{options.events} events a run, median of {options.rounds}; latency at {options.rate:g} a second"
    table = Table(title=title)
    for heading in (
        "case",
        "side",
        "events/s",
        "runs",
        "lost",
        "twice",
        "p50 ms",
        "p99 ms",
        "CPU µs an event",
    ):
        table.add_column(
            heading, justify="left" if heading in ("case", "side", "CPU µs an event") else "right"
        )
    for result in results:
        spent = result.spent
        by_process = ", ".join(f"{name} {value:.0f}" for name, value in spent.items())
        table.add_row(
            result.case,
            result.side,
            f"{result.rate:,.0f}",
            " ".join(f"{rate:,.0f}" for rate in result.rates),
            str(result.lost),
            str(result.duplicates),
            str(result.percentile(0.5) or "–"),
            str(result.percentile(0.99) or "–"),
            f"{result.cost:.0f}: {by_process}",
        )
    Console(width=170).print(table)
    for line in _ratios(results):
        print(line)
    print(json.dumps(_line(results)))


def _ratios(results: Sequence[Result]) -> Iterator[str]:
    """Ours beside each peer: by rate, and by the CPU that all processes but the load spend on an event."""
    ours = {result.case: result for result in results if result.side == OURS}
    for peer in results:
        if peer.side != OURS:
            us = ours[peer.case]
            yield (
                f"{peer.case}: {us.rate / peer.rate:.2f} x the rate of {peer.side},"
                f" {peer.cost / us.cost:.2f} x by CPU"
            )


def _line(results: Sequence[Result]) -> dict[str, object]:
    ours = [result for result in results if result.side == OURS]
    peers = [result for result in results if result.side != OURS]
    against: dict[str, dict[str, float]] = {}
    for result in peers:
        against.setdefault(result.side, {})[result.case] = round(result.rate)
    return {
        "bench": "line",
        "unit": "per_s",
        "ours": {result.case: round(result.rate) for result in ours},
        "against": against,
        "lost": sum(result.lost for result in ours),
        "duplicates": sum(result.duplicates for result in ours),
        "latency_ms": {
            f"{r.side} {r.case}": {"p50": r.percentile(0.5), "p99": r.percentile(0.99)}
            for r in results
            if r.latencies
        },
        "cpu_us_per_event": {
            f"{r.side} {r.case}": {name: round(value, 1) for name, value in r.spent.items()} for r in results
        },
    }
