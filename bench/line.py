"""Events per second through the whole line, beside a peer: python -m bench.line (make bench).

Closed loop: all events at once, from the first produced to the last that came to its end. Open loop: a fixed
rate by the clock, and how long each took. Loss and duplicates are counted afterwards, event by event.
"""

import argparse
import asyncio
import signal
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from secrets import token_hex

from bench.cases import CASES, Case
from bench.cpu import Meter
from bench.load import Load
from bench.peers.faststream_service import HOW
from bench.report import Result, report
from bench.sides import Side
from bench.stack import Stack

_POLL_S = 0.02
_STUCK_S = 60.0
_OPEN_SECONDS = 10


def main() -> None:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--only", choices=[case.name for case in CASES])
    parser.add_argument("--no-peer", action="store_true")
    parser.add_argument("--peers", nargs="+", choices=HOW, default=HOW, help="how the peer takes its records")
    parser.add_argument("--rate", type=float, default=500.0, help="events a second of the open loop; 0: none")
    parser.add_argument("--rounds", type=int, default=3, help="closed-loop runs of each; the median counts")
    parser.add_argument(
        "--stages", nargs="+", default=["resolve", "inbox,email,schedule"], help="one a worker"
    )
    parser.add_argument("--partitions", type=int, default=2)
    parser.add_argument("--profile", type=Path, help="folder for profiles of our workers")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # end in order: nothing may stay behind
    asyncio.run(run(parser.parse_args()))


async def run(options: argparse.Namespace) -> None:
    """All cases on one broker, one Redis and one sink."""
    results: list[Result] = []
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as directory:
        async with AsyncExitStack() as opened:
            stack = await opened.enter_async_context(Stack(Path(directory), options.partitions))
            load = Load(stack.bootstrap)
            await load.start()
            opened.push_async_callback(load.stop)
            for case in CASES:
                if options.only in (None, case.name):
                    results += await _case(case, stack, load, options)
    report(results, options)


async def _case(case: Case, stack: Stack, load: Load, options: argparse.Namespace) -> list[Result]:
    async with AsyncExitStack() as opened:
        sides: list[Side] = [
            await opened.enter_async_context(stack.ours(case, options.stages, options.profile))
        ]
        others = () if options.no_peer else options.peers
        sides += [await opened.enter_async_context(stack.peer(case, len(options.stages), h)) for h in others]
        results = [Result(case.name, side.name) for side in sides]
        counts = [options.events // _share(case, side) for side in sides]
        for side, count in zip(sides, counts, strict=True):
            await _closed(case, side, stack, load, count // 2)
        for _ in range(options.rounds):  # in turns, so that the machine's moods meet both
            for side, count, result in zip(sides, counts, results, strict=True):
                result.add(await _closed(case, side, stack, load, count))
        if options.rate:
            for side, result in zip(sides, results, strict=True):
                # The peer does not note when an inbox was filled, and above its pace there is nothing but a queue.
                if side is sides[0] or (case.mail and result.rate > options.rate):
                    result.latencies = await _open(case, side, load, options.rate, result)
        return results


def _share(case: Case, side: Side) -> int:
    """By what our number of events is divided: some take minutes for what takes others seconds."""
    if side.name == "tocsin":
        return 1
    if side.name.endswith("each"):
        return 20 if case.mail else 10
    return 8 if case.mail else 1


async def _closed(
    case: Case, side: Side, stack: Stack, load: Load, count: int
) -> tuple[float, int, int, dict[str, float]]:
    """Rate (events a second), lost, duplicates, and CPU µs an event by process."""
    name = f"{case.name}{token_hex(4)}"
    events = [case.event(name, i) for i in range(count)]
    await side.mark()
    meter = Meter({**side.pids, **stack.pids})
    meter.start()
    started = time.perf_counter()
    flood = asyncio.create_task(load.flood(side.events, events))
    await _finished(side, count)
    elapsed = time.perf_counter() - started
    spent = meter.stop(count)
    await flood
    tally = await side.audit(name, count)
    print(f"  {case.name}: {side.name} took {elapsed:.1f} s for {count}, {tally.lost} lost", flush=True)
    return count / elapsed, tally.lost, tally.duplicates, spent


async def _open(case: Case, side: Side, load: Load, rate: float, result: Result) -> Sequence[int]:
    """Milliseconds from produced to done, of each event."""
    name, count = f"{case.name}{token_hex(4)}", int(rate * _OPEN_SECONDS)
    await side.mark()
    produced = await load.steady(side.events, case, name, count, rate)
    await _finished(side, count)
    tally = await side.audit(name, count)
    result.lost += tally.lost
    result.duplicates += tally.duplicates
    return sorted(at - produced[i] for i, at in tally.finished_ms.items())


async def _finished(side: Side, count: int) -> None:
    """Return when all are done, or when nothing has moved for a minute: then the rest is lost."""
    done, moved = 0, time.monotonic()
    while done < count and time.monotonic() - moved < _STUCK_S:
        side.check()
        await asyncio.sleep(_POLL_S)
        now = await side.progress()
        if now > done:
            done, moved = now, time.monotonic()


if __name__ == "__main__":
    main()
