"""Plays scenarios and prints the table: `python -m tests.chaos.run [--short] [--only TEXT] [--seed N] [--write]`."""

import argparse
import asyncio
import random
import shlex
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.chaos.environment import World
from tests.chaos.report import COLUMNS, Report, write
from tests.chaos.scenario import Scenario, Skipped
from tests.chaos.scenarios import ALL, SHORT
from tests.chaos.servers import Servers
from tests.support.real_pipeline import RealPipeline

_AT_ONCE = 3
_LONGEST_SECONDS = 1200


async def run(scenario: Scenario, seed: int, older: str = "") -> Report:
    """One scenario on a line of its own. Raises what breaks it, Skipped where this machine cannot play it."""
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(asyncio.timeout(_LONGEST_SECONDS))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tocsin-chaos-")))
        servers = await scenario.servers(stack, folder) if scenario.servers else Servers()
        line = RealPipeline(kafka=servers.own_kafka, valkey=servers.own_valkey)
        world = World(await stack.enter_async_context(line), seed, servers, scenario.mail_bound, older)
        await world.prepare()
        await scenario.act(world)
        recovery, unsettled = 0.0, ""
        try:
            recovery = await world.recovered(scenario.settle_s)
            await world.settled(world.published, scenario.settle_s)
        except AssertionError as error:  # what did arrive is counted all the same
            unsettled = str(error)
        verdict = await world.verdict()
        return Report(
            scenario, seed, len(world.published), verdict, world.mail_bound, recovery, world.note, unsettled
        )


async def play(scenario: Scenario, seed: int, older: str = "") -> Report:
    """The same, with what went wrong in the report."""
    try:
        return await run(scenario, seed, older)
    except Skipped as reason:
        return Report(scenario, seed, skipped=str(reason))
    except Exception as error:
        return Report(scenario, seed, error=f"{type(error).__name__}: {error}")


async def play_all(scenarios: Sequence[Scenario], seed: int, older: str) -> list[Report]:
    """Several at once: most of their time is waiting for a dead worker's session to end."""
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(scenario: Scenario, number: int) -> Report:
        async with gate:
            started = time.monotonic()
            report = await play(scenario, seed + number, older)
            print(f"{time.monotonic() - started:6.0f} s  {scenario.name}: {report.came_to}", flush=True)
            return report

    return list(await asyncio.gather(*(one(s, n) for n, s in enumerate(scenarios))))


def main() -> int:
    """Exit code 1 when a bound was broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="the selection that is part of the tests")
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    parser.add_argument("--only", default="", help="scenarios whose name has this in it")
    parser.add_argument("--older", default="", help="the revision that the rolling upgrade begins with")
    parser.add_argument("--write", action="store_true", help="write docs/reliability.md")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that servers and disks are left in order
    scenarios = [s for s in (SHORT if options.short else ALL) if options.only in s.name]
    print(f"seed {options.seed}, {len(scenarios)} scenarios", flush=True)
    started = time.monotonic()
    reports = asyncio.run(play_all(scenarios, options.seed, options.older))
    table = Table(*COLUMNS)
    for report in reports:
        table.add_row(*report.row(), style="red" if report.faults else None)
    Console(width=200).print(table)
    for report in reports:
        for fault in report.faults:
            print(f"BROKEN: {report.name} (seed {report.seed}): {fault}")
    if options.write:
        command = f"python -m tests.chaos.run {shlex.join(sys.argv[1:])} --seed {options.seed}"
        write(reports, command, time.monotonic() - started)
    return 1 if any(report.faults for report in reports) else 0


if __name__ == "__main__":
    sys.exit(main())
