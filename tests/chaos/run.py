"""Run scenarios and print the table: `python -m tests.chaos.run [--short] [--only TEXT …] [--seed N] [--write]`."""

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

from tests.chaos.environment import ChaosEnvironment
from tests.chaos.report import COLUMNS, Report, write
from tests.chaos.scenario import Scenario, Skipped
from tests.chaos.scenarios import ALL, SHORT
from tests.chaos.servers import Servers
from tests.support.real_pipeline import RealPipeline

_CONCURRENT_SCENARIOS = 3
_SCENARIO_TIMEOUT_S = 1200


async def run(scenario: Scenario, seed: int, older_revision: str = "") -> Report:
    """Run one scenario on a pipeline of its own. Raise the error that ends it, Skipped where it cannot run."""
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(asyncio.timeout(_SCENARIO_TIMEOUT_S))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tocsin-chaos-")))
        servers = await scenario.servers(stack, folder) if scenario.servers else Servers()
        variables = scenario.variables(folder) if scenario.variables else {}
        kafka = servers.own_brokers or servers.own_kafka
        pipeline = await stack.enter_async_context(
            RealPipeline(scenario.partitions, variables, kafka=kafka, redis=servers.redis)
        )
        environment = ChaosEnvironment(pipeline, seed, servers, scenario.mail_bound, older_revision)
        await environment.prepare()
        await scenario.act(environment)
        recovery_s, error = 0.0, ""
        try:
            recovery_s = await environment.wait_for_recovery(scenario.settle_s)
            await environment.wait_until_settled(environment.published, scenario.settle_s)
        except AssertionError as unsettled:  # the deliveries that did arrive are counted all the same
            error = str(unsettled)
        result = await environment.check()
        events, bound, note = len(environment.published), environment.mail_bound, environment.note
        return Report(scenario, seed, events, result, bound, recovery_s, note, error)


async def report_on(scenario: Scenario, seed: int, older_revision: str = "") -> Report:
    """Run one scenario; return its report, with the error or the reason why it was skipped."""
    try:
        return await run(scenario, seed, older_revision)
    except Skipped as reason:
        return Report(scenario, seed, skipped=str(reason))
    except Exception as error:
        return Report(scenario, seed, error=f"{type(error).__name__}: {error}")


async def run_all(scenarios: Sequence[Scenario], seed: int, older_revision: str) -> list[Report]:
    """Run several scenarios at once: most of their time is waiting for a dead worker's session timeout."""
    slots = asyncio.Semaphore(_CONCURRENT_SCENARIOS)

    async def run_one(scenario: Scenario, number: int) -> Report:
        async with slots:
            started = time.monotonic()
            report = await report_on(scenario, seed + number, older_revision)
            outcome = "; ".join([report.outcome, *report.violations])
            print(f"{time.monotonic() - started:6.0f} s  {scenario.name}: {outcome}", flush=True)
            return report

    return list(await asyncio.gather(*(run_one(s, n) for n, s in enumerate(scenarios))))


def main() -> int:
    """Run the selected scenarios; return exit code 1 when a bound was broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="the selection that is part of the tests")
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    parser.add_argument("--only", nargs="+", default=[""], help="scenarios with one of these in their names")
    parser.add_argument("--older", default="", help="the revision that the rolling upgrade starts from")
    parser.add_argument("--write", action="store_true", help="write the rows into docs/reliability.md")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that servers stop and disks are unmounted
    selected = SHORT if options.short else ALL
    scenarios = [s for s in selected if any(text in s.name for text in options.only)]
    print(f"seed {options.seed}, {len(scenarios)} scenarios", flush=True)
    started = time.monotonic()
    reports = asyncio.run(run_all(scenarios, options.seed, options.older))
    table = Table(*COLUMNS)
    for report in reports:
        table.add_row(*report.row(), style="red" if report.violations else None)
    Console(width=200).print(table)
    for report in reports:
        for violation in report.violations:
            print(f"BROKEN: {report.name} (seed {report.seed}): {violation}")
    if options.write:
        seed = [] if "--seed" in sys.argv else ["--seed", str(options.seed)]
        command = shlex.join(["python", "-m", "tests.chaos.run", *sys.argv[1:], *seed])
        write(reports, [scenario.name for scenario in ALL], command, time.monotonic() - started)
    return 1 if any(report.violations for report in reports) else 0


if __name__ == "__main__":
    sys.exit(main())
