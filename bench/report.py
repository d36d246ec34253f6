"""The report of the pipeline benchmark: a table, the ratios to each peer, and a line of JSON for scripts."""

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Self

from rich.console import Console
from rich.table import Table

from bench.peers.modes import MODES

OURS = "tocsin"
_HEADINGS = (
    "case",
    "side",
    "events/s",
    "rounds",
    "lost",
    "duplicates",
    "p50 ms",
    "p99 ms",
    "CPU µs per event",
    "by process",
)
_LEFT = ("case", "side", "by process")


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
        """Return the median rate of the rounds."""
        return median(self.rates)

    @property
    def cpu_by_process(self) -> dict[str, float]:
        """Return the median CPU µs per event of each process."""
        return {name: median(run[name] for run in self.cpu_us) for name in self.cpu_us[0]}

    @property
    def cpu_totals(self) -> list[float]:
        """Return the CPU µs per event of each round, of all processes but the load."""
        return [sum(value for name, value in run.items() if name != "load") for run in self.cpu_us]

    @property
    def cpu_total(self) -> float:
        """Return the median CPU µs per event of the rounds."""
        return median(self.cpu_totals)

    def percentile(self, share: float) -> int | None:
        """Return a percentile of the latencies in ms; None when there are none."""
        return self.latencies_ms[int((len(self.latencies_ms) - 1) * share)] if self.latencies_ms else None


@dataclass(frozen=True, slots=True)
class Ratio:
    """Tocsin against one peer in one case, as the median of the rounds' ratios; over 1 is better for Tocsin."""

    case: str
    peer: str
    rate: float
    cpu: float

    @classmethod
    def of(cls, tocsin: Result, peer: Result) -> Self:
        """Return Tocsin's rate divided by the peer's, and the peer's CPU divided by Tocsin's, of the same rounds."""
        rates = zip(tocsin.rates, peer.rates, strict=True)
        cpu = zip(tocsin.cpu_totals, peer.cpu_totals, strict=True)
        return cls(
            tocsin.case,
            peer.side,
            median(ours / theirs for ours, theirs in rates),
            median(theirs / ours for ours, theirs in cpu),
        )


def ratios(results: Sequence[Result]) -> list[Ratio]:
    """Return the ratios of every case to every peer."""
    ours = {result.case: result for result in results if result.side == OURS}
    return [Ratio.of(ours[result.case], result) for result in results if result.side != OURS]


def report(results: Sequence[Result], options: argparse.Namespace) -> None:
    """Print the table, the ratios, what each peer does less, and the line of JSON."""
    title = (
        f"{options.events} events a round, median of {options.rounds}; latency at {options.rate:g} per second"
    )
    table = Table(title=title)
    for heading in _HEADINGS:
        table.add_column(heading, justify="left" if heading in _LEFT else "right")
    for result in results:
        table.add_row(*_cells(result))
    Console(width=190).print(table)
    for line in summary(results):
        print(line)
    print(json.dumps(json_line(results)))


def _cells(result: Result) -> Iterator[str]:
    yield from (result.case, result.side, f"{result.rate:,.0f}")
    yield " ".join(f"{rate:,.0f}" for rate in result.rates)
    yield from (str(result.lost), str(result.duplicates))
    yield str(result.percentile(0.5) or "–")
    yield str(result.percentile(0.99) or "–")
    yield f"{result.cpu_total:.0f}"
    yield ", ".join(f"{name} {value:.0f}" for name, value in result.cpu_by_process.items())


def summary(results: Sequence[Result]) -> Iterator[str]:
    """Yield for each peer what it does less than Tocsin, and Tocsin's ratios to it."""
    by_peer: dict[str, list[Ratio]] = {}
    for ratio in ratios(results):
        by_peer.setdefault(ratio.peer, []).append(ratio)
    if by_peer:
        yield "Tocsin against each peer, median of the rounds' ratios; over 1 is better for Tocsin:"
    for peer, of_cases in by_peer.items():
        for ratio in of_cases:
            yield f"  {peer}, {ratio.case}: {ratio.rate:.2f} x by rate, {ratio.cpu:.2f} x by CPU"
        yield f"    does less: {MODES[peer.removeprefix('faststream-')].less}"


def json_line(results: Sequence[Result]) -> dict[str, object]:
    """Return the last line of the report: rates, ratios by peer and case, latencies and CPU."""
    ours = [result for result in results if result.side == OURS]
    against: dict[str, dict[str, float]] = {}
    for result in results:
        if result.side != OURS:
            against.setdefault(result.side, {})[result.case] = round(result.rate)
    rate_ratio: dict[str, dict[str, float]] = {peer: {} for peer in against}
    cpu_ratio: dict[str, dict[str, float]] = {peer: {} for peer in against}
    for ratio in ratios(results):
        rate_ratio[ratio.peer][ratio.case] = round(ratio.rate, 3)
        cpu_ratio[ratio.peer][ratio.case] = round(ratio.cpu, 3)
    return {
        "bench": "line",
        "unit": "per_s",
        "ours": {result.case: round(result.rate) for result in ours},
        "against": against,
        "rate_ratio": rate_ratio,
        "cpu_ratio": cpu_ratio,
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
