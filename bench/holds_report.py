"""The report of the benchmark of holds: tables, and a line of JSON for scripts."""

import argparse
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table

from bench.capacity.holds import HoldCost, HoldFigures

_console = Console(width=150)
_PROCESSES = {
    "resolve": "resolve",
    "email": "email",
    "schedule": "schedule",
    "kafka": "kafka",
    "valkey": "redis",
}
"""The workers and servers of a phase, as the capacity model names them."""
_WAITING = ("due set", "windows", "limits")
_NOT_OURS = frozenset({"load", "sink"})
_PLAIN, _HELD, _RELEASED = "never held", "held", "released"


@dataclass(frozen=True, slots=True)
class Phase:
    """What one part took: CPU in µs a mail or item by process, memory of workers in MiB by quarter of the work."""

    count: int
    elapsed_s: float
    cpu_us: Mapping[str, float]
    memory_mib: Mapping[str, Sequence[float]]

    @property
    def rate(self) -> float:
        """Return mails or items a second."""
        return self.count / self.elapsed_s

    @property
    def total_us(self) -> float:
        """Return the CPU of a mail or item without the load and the sink."""
        return sum(us for name, us in self.cpu_us.items() if name not in _NOT_OURS)


@dataclass(slots=True)
class Figures:
    """Everything that was measured.

    `redis_bytes`: of a held mail or item, by what it is held in and class of keys. `late_ms`: how much later than its
    time each mail was sent, sorted. `steps`: see `hold_steps`.
    """

    phases: dict[str, Phase] = field(default_factory=dict)
    redis_bytes: dict[str, dict[str, float]] = field(default_factory=dict)
    late_ms: dict[str, Sequence[int]] = field(default_factory=dict)
    steps: dict[str, Mapping[str, Mapping[str, float]]] = field(default_factory=dict)
    lost: int = 0
    duplicates: int = 0

    def add_bytes(self, name: str, before: Mapping[str, int], after: Mapping[str, int], count: int) -> None:
        """Note what was added for so many held mails or items, by class of keys."""
        added = Counter(after)
        added.subtract(before)
        self.redis_bytes[name] = {of: round(size / count, 1) for of, size in added.items()}

    def percentiles(self) -> dict[str, dict[str, int]]:
        """Return the percentiles of lateness in ms."""
        return {
            name: {f"p{share * 100:g}": late[int((len(late) - 1) * share)] for share in (0.5, 0.99, 1.0)}
            for name, late in self.late_ms.items()
            if late
        }

    def costs(self, sizes: Sequence[int]) -> HoldFigures:
        """Return what held mail costs beyond mail that is sent at once, of digests by these sizes."""
        alone = self._cost(_HELD, _RELEASED, "alone", _RELEASED)
        items = {}
        for size in sizes:
            name = f"digests of {size}"
            items[size] = self._cost(f"{name}: held", f"{name}: sent", name, f"{name}: sent")
        return HoldFigures(alone, items)

    def _cost(self, held: str, sent: str, waiting: str, ended: str) -> HoldCost:
        phases = self.phases
        return HoldCost(
            round(sum(self.redis_bytes[waiting].get(of, 0.0) for of in _WAITING), 1),
            round(self.redis_bytes[ended]["ledger"] - self.redis_bytes[_PLAIN]["ledger"], 1),
            {
                model: round(
                    phases[held].cpu_us[own] + phases[sent].cpu_us[own] - phases[_PLAIN].cpu_us[own], 1
                )
                for own, model in _PROCESSES.items()
            },
        )

    def document(self) -> dict[str, object]:
        """Return the line of JSON."""
        plain, held, released = (self.phases[name] for name in (_PLAIN, _HELD, _RELEASED))
        cpu = {
            "release": plain.total_us / released.total_us,
            "hold and release": plain.total_us / (held.total_us + released.total_us),
        }
        return {
            "bench": "holds",
            "unit": "per_s",
            "mails": plain.count,
            "ours": {name: round(phase.rate) for name, phase in self.phases.items()},
            "against": {_PLAIN: {_RELEASED: round(plain.rate)}},
            "rate_ratio": round(released.rate / plain.rate, 3),
            "cpu_ratio": {name: round(ratio, 3) for name, ratio in cpu.items()},
            "lost": self.lost,
            "duplicates": self.duplicates,
            "late_ms": self.percentiles(),
            "redis_bytes": self.redis_bytes,
            "cpu_us": {
                name: {process: round(us, 1) for process, us in phase.cpu_us.items()}
                for name, phase in self.phases.items()
            },
            "memory_mib": {name: phase.memory_mib for name, phase in self.phases.items()},
            "steps": self.steps,
        }


def report(figures: Figures, options: argparse.Namespace) -> None:
    """Print the tables and the line of JSON."""
    table = Table(title=f"{options.mails:,} mails, {options.items:,} items of digests of each size")
    for heading in ("", "a second", "CPU µs each", "by process", "memory by quarter, MiB"):
        table.add_column(heading, justify="left" if heading in {"", "by process"} else "right")
    for name, phase in figures.phases.items():
        memory = ", ".join(
            f"{process} {' '.join(f'{mib:.0f}' for mib in quarters)}"
            for process, quarters in phase.memory_mib.items()
        )
        cpu = ", ".join(f"{process} {us:.0f}" for process, us in phase.cpu_us.items())
        table.add_row(name, f"{phase.rate:,.0f}", f"{phase.total_us:.0f}", cpu, memory)
    _console.print(table)
    for name, sizes in figures.redis_bytes.items():
        by_class = ", ".join(f"{of} {size:.0f}" for of, size in sizes.items() if round(size))
        print(f"bytes in Redis, {name}: {by_class}")
    for name, late in figures.percentiles().items():
        print(f"late, {name}: " + ", ".join(f"{share} {ms} ms" for share, ms in late.items()))
    for size, steps in figures.steps.items():
        for name, step in steps.items():
            print(
                f"{size}, {name}: {step['per_s']:,} items a second, {step['own_us']} µs CPU here,"
                f" {step['redis_us']} of Redis"
            )
    print(json.dumps(figures.document()))
