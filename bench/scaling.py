"""CPU an event with more workers and more partitions: python -m bench.scaling (make bench-scaling).

A shape is a number of workers a stage and a number of partitions a topic. All shapes have one broker, one Redis and one
sink, and processes of their own that are started and warmed up for each run. Right before every other shape the first
one is run again, and the median of these ratios counts: CPU that is spent while nothing happens, or for each poll and
each partition rather than for each record, shows as a ratio over 1.
"""

import argparse
import asyncio
import json
import signal
import tempfile
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from statistics import median
from typing import NamedTuple

import httpx
from rich.console import Console
from rich.table import Table

from bench.cases import CASES, Case
from bench.line import closed_loop
from bench.load import Load
from bench.outcomes import OutcomeLog
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


Runs = dict[str, Run]
"""A run of each case, by the name of the case."""
Pairs = dict[Shape, list[tuple[Runs, Runs]]]
"""Runs of the first shape, each with the runs of another shape that came right after it."""


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
    """Run every shape after the first one, as often as there are rounds."""
    # A worker without a partition does nothing: such shapes are left out.
    shapes = [Shape(w, p) for p in options.partitions for w in options.workers if w <= p]
    cases = [case for case in CASES if options.only in (None, case.name)]
    pairs: Pairs = defaultdict(list)
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
                for shape in shapes[1:]:
                    first, other = [
                        await _run_shape(one, cases, stack, Path(directory), load, options)
                        for one in (shapes[0], shape)
                    ]
                    pairs[shape].append((first, other))
    _report(pairs, cases, shapes, options)


async def _run_shape(
    shape: Shape,
    cases: Sequence[Case],
    stack: Stack,
    directory: Path,
    load: Load,
    options: argparse.Namespace,
) -> Runs:
    """Run every case on new workers of a shape."""
    runs: Runs = {}
    async with _workers(shape, stack, directory, options.profile) as processes:
        for case in cases:
            topic = f"{shape.prefix}dispatch.outcomes"
            async with OutcomeLog(stack.bootstrap, topic, shape.partitions) as outcomes:
                side = Tocsin(case, stack.redis, stack.sink, processes, outcomes)
                side.name, side.events = f"tocsin {shape}", f"{shape.prefix}events"
                await closed_loop(case, side, stack, load, _WARM_UP)
                rate, lost, duplicates, cpu_us = await closed_loop(case, side, stack, load, options.events)
            kinds: dict[str, float] = defaultdict(float)
            for name, value in cpu_us.items():
                kinds[name.partition(" ")[0]] += value
            runs[case.name] = Run(kinds, rate, lost, duplicates)
    return runs


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


def _report(
    pairs: Pairs, cases: Sequence[Case], shapes: Sequence[Shape], options: argparse.Namespace
) -> None:
    """Print the table and the line of JSON."""
    base, firsts = shapes[0], [first for of_shape in pairs.values() for first, _ in of_shape]
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
    everything = [*firsts, *(other for of_shape in pairs.values() for _, other in of_shape)]
    for case in cases:
        for shape in shapes:
            runs = [one[case.name] for one in firsts]
            key, ratio = f"{case.name} {shape}", 1.0
            if shape != base:
                runs = [other[case.name] for _, other in pairs[shape]]
                ratio = median(
                    other[case.name].total_us / first[case.name].total_us for first, other in pairs[shape]
                )
            ours[key], ratios[key] = median(run.total_us for run in runs), ratio
            by_process = ", ".join(
                f"{name} {median(run.cpu_us[name] for run in runs):.0f}" for name in runs[0].cpu_us
            )
            rate = median(run.rate for run in runs)
            figures = (f"{ours[key]:.0f}", f"{ratio:.2f}", f"{rate:,.0f}", by_process)
            table.add_row(case.name, str(shape.workers), str(shape.partitions), *figures)
    Console(width=200).print(table)
    line = {
        "bench": "scaling",
        "unit": "us",
        "ours": {key: round(value, 1) for key, value in ours.items()},
        "against": {str(base): {case.name: round(ours[f"{case.name} {base}"], 1) for case in cases}},
        "ratio": {key: round(value, 3) for key, value in ratios.items()},
        "lost": sum(run.lost for runs in everything for run in runs.values()),
        "duplicates": sum(run.duplicates for runs in everything for run in runs.values()),
    }
    print(json.dumps(line))


if __name__ == "__main__":
    main()
