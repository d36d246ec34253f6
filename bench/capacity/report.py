"""The tables: costs of a million deliveries, plans, predicted against measured, scenarios; and the line of JSON."""

import argparse
import json
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table

from bench.capacity.figures import CLASSES, PROCESSES, TOPICS, Cost, Figures, busy_us
from bench.capacity.measure import Round
from bench.capacity.model import WORKER_ROLES, Demand, Plan, plan
from bench.capacity.scenarios import scenarios

_console = Console(width=150)
_LEAST_US = 1.0


def print_figures(figures: Figures, options: argparse.Namespace) -> None:
    """Print what a million deliveries of each mix take, and what depends on the workers only."""
    table = _table(
        f"A million deliveries; {options.rounds} rounds of {options.deliveries} deliveries a mix",
        ["", *figures.mixes],
    )
    for name in PROCESSES:
        table.add_row(f"CPU s, {name}", *(_cpu(cost, name) for cost in figures.mixes.values()))
    for name in CLASSES:
        cells = [f"{cost.redis_bytes[name]:.0f}" for cost in figures.mixes.values()]
        table.add_row(f"Redis MB, {name}", *cells)
    for topic in TOPICS:
        cells = [f"{cost.kafka_bytes[topic]:.0f}" for cost in figures.mixes.values()]
        table.add_row(f"Kafka MB, {topic}", *cells)
    _console.print(table)
    workers = _table(
        "A worker", ["role", "idle, cores", "memory, MiB", "CPU of a batch, ms", "Kafka", "Redis", "relay"]
    )
    for role, servers in figures.connections.items():
        workers.add_row(
            role,
            f"{figures.idle_cores[role]:.3f}",
            f"{figures.memory_mib[role]:.0f}",
            f"{figures.batch_us[role] / 1000:.2f}" if role in figures.batch_us else "",
            *(str(servers.get(server, 0)) for server in ("kafka", "redis", "relay")),
        )
    _console.print(workers)
    for kind, sizes in figures.length_bytes.items():
        by_length = ", ".join(f"{size:.0f} with {length}" for length, size in sizes.items())
        print(f"bytes of an entry of the {kind}: {by_length}")
    print(
        f"an inbox: {figures.dropped_id_bytes:.0f} bytes for the id of an entry that was removed,"
        f" {figures.expiry_us:.2f} µs CPU of Redis an entry for a look for expired ones"
    )
    print(f"Redis: data / sum of its keys: {figures.dataset_ratio:.2f}")
    print(f"idle cores: Kafka {figures.idle_cores['kafka']:.3f}, Redis {figures.idle_cores['redis']:.3f}")
    print(f"DKIM: {figures.dkim_us:.0f} µs CPU a signature")


def _cpu(cost: Cost, name: str) -> str:
    """Return the median of the rounds, and half of the distance between the lowest and the highest."""
    us = cost.cpu_us[name]
    return f"{us:.0f} ± {cost.spread[name] / 2:.0%}" if us >= _LEAST_US else "0"


def print_plans(figures: Figures, demands: Sequence[Demand]) -> None:
    """Print the machines for each demand."""
    plans = {f"{demand.deliveries_a_day:,.0f}": plan(figures, demand) for demand in demands}
    table = _table("Machines of 8 cores, 64 GiB and 4 TB, by deliveries a day", ["", *plans])
    for name, value in _rows(plans).items():
        table.add_row(name, *value)
    _console.print(table)


def _rows(plans: Mapping[str, Plan]) -> dict[str, list[str]]:
    every = list(plans.values())
    rows = {"deliveries a second, busiest hour": [f"{p.peak_rate:,.0f}" for p in every]}
    for role in WORKER_ROLES:
        rows[f"{role}: busy cores, workers"] = [f"{p.cores[role]:.2f}, {p.workers[role]}" for p in every]
    rows["schedule and tables: workers"] = [str(p.workers["schedule"]) for p in every]
    rows["partitions of each topic"] = [str(p.partitions) for p in every]
    for name in every[0].redis_gib:
        rows[f"Redis GiB, {name}"] = [f"{p.redis_gib[name]:,.1f}" for p in every]
    rows["Redis: busy cores"] = [f"{p.cores['redis']:.2f}" for p in every]
    rows["primaries by memory, by CPU"] = [f"{p.primaries_by_memory}, {p.primaries_by_cpu}" for p in every]
    for topic in TOPICS:
        rows[f"Kafka TB, {topic}"] = [f"{p.disk_tb[topic]:,.3f}" for p in every]
    rows["Kafka: busy cores, without replicas"] = [f"{p.cores['kafka']:.2f}" for p in every]
    rows["brokers by disk, by CPU"] = [f"{p.brokers_by_disk}, {p.brokers_by_cpu}" for p in every]
    rows["connections to relays, of each email worker"] = [
        f"{p.relay_connections:,}, {-(-p.relay_connections // p.workers['email'])}" for p in every
    ]
    for name in ("workers", "Redis", "Kafka"):
        rows[f"machines, {name}"] = [f"{p.machines[name]:,}" for p in every]
    return rows


def print_check(figures: Figures, round_: Round) -> dict[str, float]:
    """Print what the figures predict for a round, and what was measured; return predicted / measured."""
    counts = round_.by_mix.items()
    title = f"A mixture of {round_.deliveries:,} deliveries: predicted, measured"
    table = _table(title, ["", "predicted", "measured", "predicted / measured"])
    busy = busy_us(round_, figures.idle_cores)
    ratios = {}

    def add(label: str, predicted: float, measured: float) -> None:
        ratios[label] = predicted / measured
        table.add_row(label, f"{predicted / 1e6:.2f}", f"{measured / 1e6:.2f}", f"{ratios[label]:.2f}")

    for name in PROCESSES:
        if name != "schedule":  # idle, so some ticks of the clock
            predicted = sum(figures.mixes[mix].cpu_us[name] * n for mix, n in counts)
            add(f"CPU s, {name}", predicted, busy[name])
    for topic in TOPICS:
        predicted = sum(figures.mixes[mix].kafka_bytes[topic] * n for mix, n in counts)
        add(f"Kafka MB, {topic}", predicted, round_.kafka_bytes[topic])
    for class_ in ("ledger", "index", "inbox"):
        predicted = sum(figures.mixes[mix].redis_bytes[class_] * n for mix, n in counts)
        add(f"Redis MB, {class_}", predicted, round_.redis_bytes[class_])
    _console.print(table)
    for kind in ("CPU", "Kafka", "Redis"):
        deviation = max(abs(ratio - 1) for label, ratio in ratios.items() if label.startswith(kind))
        print(f"{kind}: predictions are within {deviation:.0%}")
    return ratios


def print_scenarios(figures: Figures, demand: Demand) -> None:
    """Print the simulation beside the formula."""
    results = scenarios(figures, demand, plan(figures, demand))
    delays = _table(
        f"Simulated delays at {demand.deliveries_a_day:,.0f} a day, p50 / p99 / largest, in seconds",
        ["scenario", "resolve", "inbox", "email", "all"],
    )
    compared = _table(
        "Simulated, and by the formula", ["scenario", "", "simulated", "formula", "formula / simulated"]
    )
    for scenario in results:
        stages = [*scenario.result.stages.values(), scenario.result.end_to_end]
        delays.add_row(
            scenario.name, *(" / ".join(_short(s.percentile(p)) for p in (0.5, 0.99, 1.0)) for s in stages)
        )
        for label, simulated, formula in scenario.compared():
            ratio = f"{formula / simulated:.2f}" if formula else "–"
            compared.add_row(scenario.name, label, _short(simulated), _short(formula), ratio)
    _console.print(delays)
    _console.print(compared)


def _short(value: float) -> str:
    """Return three digits of a number, and of a large one all before the point."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def print_line(figures: Figures, rounds: Sequence[Round], ratios: Sequence[Mapping[str, float]]) -> None:
    """Print the line of JSON: CPU in µs and bytes of a delivery, and predicted / measured of the check."""
    mixes = figures.mixes.items()
    line = {
        "bench": "capacity",
        "unit": "us",
        "ours": {name: round(sum(cost.cpu_us.values()), 1) for name, cost in mixes},
        "against": {},
        "lost": sum(round_.lost for round_ in rounds),
        "duplicates": sum(round_.duplicates for round_ in rounds),
        "cpu_us": {name: {p: round(us, 1) for p, us in cost.cpu_us.items()} for name, cost in mixes},
        "redis_bytes": {name: {c: round(b) for c, b in cost.redis_bytes.items()} for name, cost in mixes},
        "kafka_bytes": {name: {t: round(b) for t, b in cost.kafka_bytes.items()} for name, cost in mixes},
        "connections": figures.connections,
        "check": [{label: round(ratio, 2) for label, ratio in of_size.items()} for of_size in ratios],
    }
    print(json.dumps(line))


def _table(title: str, headings: list[str]) -> Table:
    table = Table(title=title)
    for n, heading in enumerate(headings):
        table.add_column(heading, justify="right" if n else "left")
    return table
