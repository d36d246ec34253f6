"""Events per second through the whole pipeline, beside its peers: python -m bench.line (make bench).

Closed loop: all events at once, from the first one produced to the last one finished. Open loop: a fixed rate by the
clock, and the latency of each event. Loss and duplicates are counted afterwards, event by event.
"""

import argparse
import asyncio
import signal
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from secrets import token_hex
from typing import TypeVar

from bench.cases import CASES, Case
from bench.cpu import CpuMeter
from bench.load import Load
from bench.peers.modes import MODES
from bench.report import Result, report
from bench.sides import Side, Tally
from bench.stack import Stack

_Measured = TypeVar("_Measured")

_POLL_S = 0.02
_STALL_TIMEOUT_S = 60.0
_OPEN_LOOP_S = 10


def main() -> None:
    """Parse the options, run the cases, and print the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--only", choices=[case.name for case in CASES])
    parser.add_argument("--no-peer", action="store_true")
    parser.add_argument(
        "--peers", nargs="+", choices=MODES, default=list(MODES), help="how the peer is written"
    )
    parser.add_argument(
        "--rate", type=float, default=500.0, help="events per second of the open loop; 0: none"
    )
    parser.add_argument(
        "--rounds", type=int, default=3, help="closed-loop runs of each side; the median counts"
    )
    parser.add_argument(
        "--stages", nargs="+", default=["resolve", "inbox,email,schedule"], help="the stages of each worker"
    )
    parser.add_argument("--partitions", type=int, default=2)
    parser.add_argument("--profile", type=Path, help="folder for CPU profiles of Tocsin's workers")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that all processes are stopped
    asyncio.run(run(parser.parse_args()))


async def run(options: argparse.Namespace) -> None:
    """Run all cases on one broker, one Redis and one sink."""
    results: list[Result] = []
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as directory:
        async with AsyncExitStack() as exits:
            stack = await exits.enter_async_context(Stack(Path(directory), options.partitions))
            load = Load(stack.bootstrap)
            await load.start()
            exits.push_async_callback(load.stop)
            for case in CASES:
                if options.only in (None, case.name):
                    results += await _case(case, stack, load, options)
    report(results, options)


async def _case(case: Case, stack: Stack, load: Load, options: argparse.Namespace) -> list[Result]:
    """Run one case on every side in turn; return a result for each."""
    async with AsyncExitStack() as exits:
        sides: list[Side] = [
            await exits.enter_async_context(stack.tocsin(case, options.stages, options.profile))
        ]
        modes = () if options.no_peer else options.peers
        sides += [await exits.enter_async_context(stack.peer(case, len(options.stages), m)) for m in modes]
        results = [Result(case.name, side.name) for side in sides]
        counts = [options.events // _divisor(case, side) for side in sides]
        for side, count in zip(sides, counts, strict=True):
            await closed_loop(case, side, stack, load, count // 2)
        for _ in range(options.rounds):  # in turns, so that all sides meet the same state of the machine
            for side, count, result in zip(sides, counts, results, strict=True):
                result.add(await closed_loop(case, side, stack, load, count))
        if options.rate:
            for side, result in zip(sides, results, strict=True):
                # Above the rate of a side, the latency is that of a queue.
                if side is sides[0] or (side.is_timed and result.rate > options.rate):
                    result.latencies_ms = await _open(case, side, load, options.rate, result)
        return results


def _divisor(case: Case, side: Side) -> int:
    """Return the number that a side's events are divided by, so that a slow side does not take minutes."""
    if side.name == "tocsin":
        return 1
    if side.name.endswith("each"):
        return 20 if case.mail else 10
    return 4 if case.mail else 1


async def closed_loop(
    case: Case, side: Side, stack: Stack, load: Load, count: int
) -> tuple[float, int, int, dict[str, float]]:
    """Run the closed loop; return the rate (events per second), lost, duplicates, and CPU µs per event by process."""
    name = f"{case.name}{token_hex(4)}"
    events = [case.event(name, i) for i in range(count)]
    await side.mark()
    meter = CpuMeter({**side.pids, **stack.pids})
    meter.start()
    started = time.perf_counter()
    flood = asyncio.create_task(load.flood(side.events, events))
    tally, (elapsed_s, cpu_us) = await _finish(
        side, name, count, lambda: (time.perf_counter() - started, meter.stop(count))
    )
    await flood
    print(f"  {case.name}: {side.name} took {elapsed_s:.1f} s for {count}, {tally.lost} lost", flush=True)
    return count / elapsed_s, tally.lost, tally.duplicates, cpu_us


async def _open(case: Case, side: Side, load: Load, rate: float, result: Result) -> Sequence[int]:
    """Run the open loop; return the latencies of the events in ms, from produced to finished, sorted."""
    name, count = f"{case.name}{token_hex(4)}", int(rate * _OPEN_LOOP_S)
    await side.mark()
    produced = await load.steady(side.events, case, name, count, rate)
    tally, _ = await _finish(side, name, count, time.perf_counter)
    result.lost += tally.lost
    result.duplicates += tally.duplicates
    return sorted(at - produced[i] for i, at in tally.finished_ms.items())


async def _finish(
    side: Side, run: str, count: int, measure: Callable[[], _Measured]
) -> tuple[Tally, _Measured]:
    """Wait until all events are finished, measure, and audit.

    Where Kafka has rebalanced, records are read again and their outcomes published again. Then others are still to come
    when `progress` has reached the count.
    """
    expected = count
    while True:
        is_finished = await _wait_until_finished(side, expected)
        measured = measure()
        tally = await side.audit(run, count)
        if not (is_finished and tally.lost):
            return tally, measured
        expected = await side.progress() + (tally.lost + 1) // 2


async def _wait_until_finished(side: Side, count: int) -> bool:
    """Return True when all events are finished, False when none was for a minute: then the rest is lost."""
    finished, last_progress = 0, time.monotonic()
    while finished < count:
        if time.monotonic() - last_progress >= _STALL_TIMEOUT_S:
            return False
        side.check()
        await asyncio.sleep(_POLL_S)
        now = await side.progress()
        if now > finished:
            finished, last_progress = now, time.monotonic()
    return True


if __name__ == "__main__":
    main()
