"""The report of the pipeline benchmark: a table, and a line of JSON for scripts."""

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
    """One case on one side. Rates in events per second; latencies in ms, sorted; CPU in µs per event by process."""

    case: str
    side: str
    rates: list[float] = field(default_factory=list)
    cpu_us: list[dict[str, float]] = field(default_factory=list)
    latencies_ms: Sequence[int] = ()
    lost: int = 0
    duplicates: int = 0

    def add(self, run: tuple[float, int, int, dict[str, float]]) -> None:
        """Add one closed-loop run: rate, lost, duplicates and CPU."""
        rate, lost, duplicates, cpu_us = run
        self.rates.append(rate)
        self.cpu_us.append(cpu_us)
        self.lost += lost
        self.duplicates += duplicates

    @property
    def rate(self) -> float:
        """Return the median rate of the runs."""
        return median(self.rates)

    @property
    def cpu_by_process(self) -> dict[str, float]:
        """Return the median CPU µs per event of each process."""
        return {name: median(run[name] for run in self.cpu_us) for name in self.cpu_us[0]}

    @property
    def cpu_total(self) -> float:
        """Return the CPU µs per event of all processes but the load."""
        return sum(value for name, value in self.cpu_by_process.items() if name != "load")

    def percentile(self, share: float) -> int | None:
        """Return a percentile of the latencies in ms; None when there are none."""
        return self.latencies_ms[int((len(self.latencies_ms) - 1) * share)] if self.latencies_ms else None


def report(results: Sequence[Result], options: argparse.Namespace) -> None:
    """Print the table, the ratios and the line of JSON."""
    title = (
        f"{options.events} events a run, median of {options.rounds}; latency at {options.rate:g} per second"
    )
    table = Table(title=title)
    for heading in (
        "case",
        "side",
        "events/s",
        "runs",
        "lost",
        "duplicates",
        "p50 ms",
        "p99 ms",
        "CPU µs per event",
    ):
        table.add_column(
            heading, justify="left" if heading in ("case", "side", "CPU µs per event") else "right"
        )
    for result in results:
        by_process = ", ".join(f"{name} {value:.0f}" for name, value in result.cpu_by_process.items())
        table.add_row(
            result.case,
            result.side,
            f"{result.rate:,.0f}",
            " ".join(f"{rate:,.0f}" for rate in result.rates),
            str(result.lost),
            str(result.duplicates),
            str(result.percentile(0.5) or "–"),
            str(result.percentile(0.99) or "–"),
            f"{result.cpu_total:.0f}: {by_process}",
        )
    Console(width=170).print(table)
    for line in _ratios(results):
        print(line)
    print(json.dumps(_line(results)))


def _ratios(results: Sequence[Result]) -> Iterator[str]:
    """Yield the ratios to each peer: by rate, and by CPU per event of all processes but the load."""
    ours = {result.case: result for result in results if result.side == OURS}
    for peer in results:
        if peer.side != OURS:
            tocsin = ours[peer.case]
            yield (
                f"{peer.case}: {tocsin.rate / peer.rate:.2f} x the rate of {peer.side},"
                f" {peer.cpu_total / tocsin.cpu_total:.2f} x by CPU"
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
            if r.latencies_ms
        },
        "cpu_us_per_event": {
            f"{r.side} {r.case}": {name: round(value, 1) for name, value in r.cpu_by_process.items()}
            for r in results
        },
    }
