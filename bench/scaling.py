"""CPU an event with more workers and more partitions: python -m bench.scaling (make bench-scaling).

A shape is a number of workers a stage and a number of partitions a topic. All shapes have one broker, one Redis and one
sink; each round runs every shape in turn, with processes that it starts and warms up. Each round compares its shapes
with its own run of the first one, and the median of these ratios counts: CPU that is spent while nothing happens, or
for each poll and each partition rather than for each record, shows as a ratio over 1.
"""

import argparse
import asyncio
import json
import signal
import tempfile
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from statistics import median
from typing import NamedTuple

import httpx
from aiokafka import TopicPartition
from rich.console import Console
from rich.table import Table

from bench.cases import CASES, Case
from bench.line import _closed
from bench.load import Load
from bench.sides import Processes, Tocsin
from bench.stack import Stack
from service.dev.ports import free_port
from streams.kafka.connection import KafkaConnection
from streams.topics.apply import apply as apply_topics

_STAGES = ("resolve", "inbox,email,schedule")
_WARM_UP = 2_000
_READY_TIMEOUT_S = 120.0


class Shape(NamedTuple):
    """Workers a stage, and partitions a topic."""

    workers: int
    partitions: int

    def __str__(self) -> str:
        return f"{self.workers}x{self.partitions}"

    @property
    def prefix(self) -> str:
        """Return the prefix of the topics that have so many partitions."""
        return f"p{self.partitions}."


class Run(NamedTuple):
    """One run: CPU in µs per event by the kind of process, and what the audit counted."""

    cpu_us: Mapping[str, float]
    rate: float
    lost: int
    duplicates: int

    @property
    def total_us(self) -> float:
        """Return the CPU µs per event of all processes but the load."""
        return sum(value for name, value in self.cpu_us.items() if name != "load")


Runs = dict[tuple[str, Shape], list[Run]]


class ScaledTocsin(Tocsin):
    """The workers of a shape, whose topics have its prefix."""

    def __init__(self, case: Case, shape: Shape, stack: Stack, processes: Processes) -> None:
        super().__init__(case, stack.bootstrap, stack.redis, stack.sink, processes, shape.partitions)
        self.events = f"{shape.prefix}events"
        outcomes = f"{shape.prefix}dispatch.outcomes"
        self._partitions = [TopicPartition(outcomes, n) for n in range(shape.partitions)]


def main() -> None:
    """Parse the options, run every shape, and print the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--only", choices=[case.name for case in CASES])
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4], help="workers a stage")
    parser.add_argument("--partitions", type=int, nargs="+", default=[2, 8, 32], help="partitions a topic")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--profile", type=Path, help="folder for CPU profiles of the workers")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that all processes are stopped
    asyncio.run(run(parser.parse_args()))


async def run(options: argparse.Namespace) -> None:
    """Run all shapes in turn, as often as there are rounds."""
    # A worker without a partition does nothing: such shapes are left out.
    shapes = [Shape(w, p) for p in options.partitions for w in options.workers if w <= p]
    cases = [case for case in CASES if options.only in (None, case.name)]
    runs: Runs = defaultdict(list)
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as directory:
        async with AsyncExitStack() as exits:
            stack = await exits.enter_async_context(Stack(Path(directory), shapes[0].partitions))
            for partitions in options.partitions:
                shape = Shape(1, partitions)
                await apply_topics(
                    KafkaConnection(stack.bootstrap),
                    shape.prefix,
                    partitions=partitions,
                    events=(f"{shape.prefix}events",),
                )
            load = Load(stack.bootstrap)
            await load.start()
            exits.push_async_callback(load.stop)
            for number in range(options.rounds):
                print(f"round {number + 1} of {options.rounds}", flush=True)
                for shape in shapes:
                    await _run_shape(shape, cases, stack, Path(directory), load, options, runs)
    _report(runs, cases, shapes, options)


async def _run_shape(
    shape: Shape,
    cases: Sequence[Case],
    stack: Stack,
    directory: Path,
    load: Load,
    options: argparse.Namespace,
    runs: Runs,
) -> None:
    async with _workers(shape, stack, directory, options.profile) as processes:
        for case in cases:
            async with ScaledTocsin(case, shape, stack, processes) as side:
                side.name = f"tocsin {shape}"
                await _closed(case, side, stack, load, _WARM_UP)
                rate, lost, duplicates, cpu_us = await _closed(case, side, stack, load, options.events)
            kinds: Counter[str] = Counter()
            for name, value in cpu_us.items():
                kinds[name.partition(" ")[0]] += value  # type: ignore[assignment]  # a sum of floats
            runs[case.name, shape].append(Run(kinds, rate, lost, duplicates))


@asynccontextmanager
async def _workers(
    shape: Shape, stack: Stack, directory: Path, profile: Path | None
) -> AsyncIterator[Processes]:
    """Run the workers of a shape: `workers` processes for each list of stages."""
    processes, probes = Processes(), list[int]()
    env = {
        "TOCSIN_KAFKA__BOOTSTRAP": stack.bootstrap,
        "TOCSIN_KAFKA__PREFIX": shape.prefix,
        "TOCSIN_KAFKA__EVENTS": json.dumps([f"{shape.prefix}events"]),
        "TOCSIN_REDIS__URL": stack.redis_url,
        "TOCSIN_SMTP__PORT": str(stack.sink.port),
        "TOCSIN_SMTP__HOST": "127.0.0.1",
        "TOCSIN_LOG_LEVEL": "WARNING",
    }
    try:
        for names in _STAGES:
            for number in range(shape.workers):
                arguments = ["bench.worker"]
                name = f"{names} {number + 1}"
                if profile:
                    arguments += ["--profile", str(profile / f"{shape}-{name.replace(' ', '-')}.txt")]
                probes.append(free_port())
                own = {
                    "TOCSIN_WORKER__STAGES": json.dumps(names.split(",")),
                    "TOCSIN_WORKER__METRICS_PORT": str(probes[-1]),
                }
                processes.start(name, arguments, {**env, **own}, directory / f"{shape}-{name}.log")
        await _wait_until_ready(processes, probes)
        yield processes
    finally:
        await asyncio.to_thread(processes.stop)


async def _wait_until_ready(processes: Processes, probes: Sequence[int]) -> None:
    """Return when every worker has its partitions. Raise TimeoutError after two minutes."""
    async with asyncio.timeout(_READY_TIMEOUT_S), httpx.AsyncClient() as client:
        for port in probes:
            while not await _is_ready(client, port):
                processes.check()
                await asyncio.sleep(0.2)


async def _is_ready(client: httpx.AsyncClient, port: int) -> bool:
    try:
        return (await client.get(f"http://127.0.0.1:{port}/readyz")).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def _report(runs: Runs, cases: Sequence[Case], shapes: Sequence[Shape], options: argparse.Namespace) -> None:
    """Print the table and the line of JSON."""
    base, total = shapes[0], list[Run]()
    table = Table(title=f"CPU µs per event; {options.events} events a run, median of {options.rounds} rounds")
    for heading in (
        "case",
        "workers a stage",
        "partitions",
        "CPU µs",
        f"to {base}",
        "events/s",
        "by process",
    ):
        table.add_column(heading)
    ours: dict[str, float] = {}
    ratios: dict[str, float] = {}
    for case in cases:
        for shape in shapes:
            done, first = runs[case.name, shape], runs[case.name, base]
            total += done
            key = f"{case.name} {shape}"
            ours[key] = median(one.total_us for one in done)
            ratios[key] = median(
                one.total_us / other.total_us for one, other in zip(done, first, strict=True)
            )
            by_process = ", ".join(
                f"{name} {median(one.cpu_us[name] for one in done):.0f}" for name in done[0].cpu_us
            )
            rate = median(one.rate for one in done)
            table.add_row(
                case.name,
                str(shape.workers),
                str(shape.partitions),
                f"{ours[key]:.0f}",
                f"{ratios[key]:.2f}",
                f"{rate:,.0f}",
                by_process,
            )
    Console(width=200).print(table)
    line = {
        "bench": "scaling",
        "unit": "us",
        "ours": {key: round(value, 1) for key, value in ours.items()},
        "against": {str(base): {case.name: round(ours[f"{case.name} {base}"], 1) for case in cases}},
        "ratio": {key: round(value, 3) for key, value in ratios.items()},
        "lost": sum(one.lost for one in total),
        "duplicates": sum(one.duplicates for one in total),
    }
    print(json.dumps(line))


if __name__ == "__main__":
    main()
