"""docs/capacity.md has the figures of the saved run, and the machines that follow from them."""

import pytest

from bench.capacity.figures import Figures
from bench.capacity.mixes import DEFAULT_SHARES
from bench.capacity.model import Demand, plan
from bench.capacity.options import SIZES
from tests.support.paths import ROOT

_FIGURES = Figures.load()
_PROCESSES = {
    "resolve": "resolve",
    "inbox workers": "inbox",
    "email workers": "email",
    "Kafka": "kafka",
    "Redis": "redis",
}
_CLASSES = {"ledger rows": "ledger", "index by recipient": "index", "inbox entries": "inbox"}
_TOPICS = ("events", "dispatch.inbox", "dispatch.email", "dispatch.outcomes")


def _rows() -> dict[str, list[str]]:
    """Return the cells of every row of the page's tables, by the first one; of equal ones the last row."""
    rows: dict[str, list[str]] = {}
    for line in (ROOT / "docs/capacity.md").read_text().splitlines():
        if line.startswith("| "):
            first, *cells = (cell.strip(" *") for cell in line.strip("|").split("|"))
            rows[first.replace("`", "").replace(".*", "")] = cells
    return rows


def _numbers(cells: list[str]) -> list[float]:
    return [float(cell.partition("±")[0].replace(",", "") or 0) for cell in cells]


def test_costs_are_those_of_the_saved_run() -> None:
    """CPU, Redis and Kafka, each rounded to a whole number; an empty cell is less than one."""
    rows, costs = _rows(), _FIGURES.mixes.values()
    expected = {f"CPU s, {label}": [c.cpu_us[name] for c in costs] for label, name in _PROCESSES.items()}
    expected |= {
        f"Redis MB, {label}": [c.redis_bytes[name] for c in costs] for label, name in _CLASSES.items()
    }
    expected |= {f"Kafka MB, {topic}": [c.kafka_bytes[topic] for c in costs] for topic in _TOPICS}
    for label, values in expected.items():
        assert _numbers(rows[label]) == pytest.approx(values, abs=1.0), label


def test_costs_of_waiting_mail_are_those_of_the_saved_run() -> None:
    """Alone, and in digests of the two sizes, each rounded to a whole number."""
    rows, holds = _rows(), _FIGURES.holds
    costs = [holds.alone, *holds.items.values()]
    expected = {
        "bytes in Redis while it waits": [cost.waiting_bytes for cost in costs],
        "bytes of its ledger row, kept for 9 days": [cost.ledger_bytes for cost in costs],
        "CPU µs, email workers, without DKIM": [cost.cpu_us["email"] for cost in costs],
        "CPU µs, schedule": [cost.cpu_us["schedule"] for cost in costs],
        "CPU µs, Redis": [cost.cpu_us["redis"] for cost in costs],
    }
    for label, values in expected.items():
        assert _numbers(rows[label]) == pytest.approx(values, abs=1.0), label


def test_sizes_follow_from_the_formula() -> None:
    """Workers, primaries and machines of the three sizes."""
    rows = _rows()
    plans = [plan(_FIGURES, Demand(day, DEFAULT_SHARES)) for day in SIZES]
    for role in ("resolve", "inbox", "email"):
        cells = next(cells for label, cells in rows.items() if label.startswith(f"{role}: busy cores"))
        assert cells == [f"{p.cores[role]:.2f}, {p.workers[role]}" for p in plans]
    assert rows["partitions of each topic"] == [str(p.partitions) for p in plans]
    assert rows["primaries by memory, by CPU"] == [
        f"{p.primaries_by_memory:,}, {p.primaries_by_cpu}" for p in plans
    ]
    assert rows["machines: workers, Redis, Kafka"] == [
        ", ".join(f"{p.machines[name]:,}" for name in ("workers", "Redis", "Kafka")) for p in plans
    ]
    for name in ("ledger", "index", "inbox"):
        assert _numbers(rows[f"Redis GiB: {name}"]) == pytest.approx(
            [p.redis_gib[name] for p in plans], rel=0.03
        )
    assert _numbers(rows["Kafka TB, three replicas"]) == pytest.approx(
        [sum(p.disk_tb.values()) for p in plans], rel=0.03
    )
