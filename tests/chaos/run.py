"""Runs scenarios and prints the table: `python -m tests.chaos.run [--short] [--seed N] [--only TEXT] [--write]`."""

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from service.dev.kafka import EmbeddedKafka
from service.dev.valkey import EmbeddedValkey
from tests.chaos.scenarios import ALL, SHORT, Scenario
from tests.chaos.verdict import Arrived, Expected, judge
from tests.chaos.world import Report, World
from tests.line import Line

RESULTS = Path(__file__).parent.parent.parent / "docs" / "reliability.md"
_AT_ONCE = 3
_BEGIN, _END = "<!-- chaos results: written by `make chaos` -->", "<!-- end of chaos results -->"


async def run(scenario: Scenario, seed: int) -> Report:
    """One scenario on a line of its own; servers that it harms are its own too."""
    async with AsyncExitStack() as stack:
        kafka: EmbeddedKafka | None = None
        valkey: EmbeddedValkey | None = None
        if scenario.own:
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tocsin-chaos-")))
            if "valkey" in scenario.own:
                valkey = EmbeddedValkey(directory / "valkey")
                await asyncio.to_thread(valkey.start)
                stack.push_async_callback(asyncio.to_thread, valkey.stop)
            if "kafka" in scenario.own:
                kafka = EmbeddedKafka(directory / "kafka")
                await asyncio.to_thread(kafka.start)
                stack.push_async_callback(asyncio.to_thread, kafka.stop)
        line = await stack.enter_async_context(Line(kafka=kafka, valkey=valkey))
        world = World(line, seed, kafka, valkey)
        await world.prepare()
        await scenario.act(world)
        healed = time.monotonic()
        await world.settled(scenario.settle_s)
        recovery = time.monotonic() - healed
        verdict = await world.verdict()
        return Report(
            scenario.name, scenario.ref, seed, len(world.published), verdict, scenario.mail_bound, recovery
        )


async def run_all(scenarios: Sequence[Scenario], seed: int) -> list[Report]:
    """Several at once: most of their time is waiting for a dead worker's session to end."""
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(scenario: Scenario, number: int) -> Report:
        async with gate:
            try:
                return await run(scenario, seed + number)
            except Exception as error:
                told = f"{type(error).__name__}: {error}"
                nothing = judge(Expected(), Arrived())
                return Report(scenario.name, scenario.ref, seed + number, 0, nothing, 0, 0.0, told)

    return list(await asyncio.gather(*(one(s, n) for n, s in enumerate(scenarios))))


_COLUMNS = (
    "fault",
    "ref",
    "seed",
    "events",
    "lost",
    "inbox dup.",
    "mail dup.",
    "bound",
    "drift",
    "s to settle",
)


def _row(report: Report) -> tuple[str, ...]:
    verdict = report.verdict
    values = (
        report.name, report.ref, report.seed, report.events, verdict.lost_mails + verdict.lost_entries,
        verdict.inbox_duplicates, verdict.mail_duplicates, report.mail_bound, verdict.unread_drift,
        f"{report.recovery_s:.1f}",
    )  # fmt: skip
    return tuple(map(str, values))


def write(reports: Sequence[Report]) -> None:
    """The table into docs/reliability.md, between its marks."""
    lines = [
        f"Measured {datetime.now(UTC):%Y-%m-%d} by `make chaos`, on 2 cores, everything on one machine.",
        "",
        "| " + " | ".join(_COLUMNS) + " |",
        "|" + "---|" * len(_COLUMNS),
        *("| " + " | ".join(_row(r)) + " |" for r in reports),
    ]
    text = RESULTS.read_text()
    before, _, rest = text.partition(_BEGIN)
    after = rest.partition(_END)[2]
    RESULTS.write_text("\n".join([before.rstrip(), "", _BEGIN, "", *lines, "", _END + after]))


def main() -> int:
    """Exit code 1 when a bound was broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    parser.add_argument("--only", default="")
    parser.add_argument("--write", action="store_true", help="write docs/reliability.md")
    options = parser.parse_args()
    scenarios = [s for s in (SHORT if options.short else ALL) if options.only in s.name]
    print(f"seed {options.seed}, {len(scenarios)} scenarios", flush=True)
    reports = asyncio.run(run_all(scenarios, options.seed))
    table = Table(*_COLUMNS)
    for report in reports:
        table.add_row(*_row(report), style="red" if report.faults else None)
    Console(width=150).print(table)
    for report in reports:
        for fault in report.faults:
            print(f"BROKEN: {report.name} (seed {report.seed}): {fault}")
    if options.write:
        write(reports)
    return 1 if any(report.faults for report in reports) else 0


if __name__ == "__main__":
    sys.exit(main())
