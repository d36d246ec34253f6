"""What a million deliveries cost, and the machines that follow: python -m bench.capacity (make capacity).

Four mixes run in turn on real servers, with a worker for each role: closed loop, all events of a round at once.
"""

import argparse
import asyncio
import signal
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from secrets import token_hex

from bench.capacity.figures import PROCESSES, Cost, Figures, batch_us_of, cost_of
from bench.capacity.holds import HoldFigures
from bench.capacity.measure import Meter, Round
from bench.capacity.mixes import DEFAULT_SHARES, MIXES, Event, Mix, interleaved
from bench.capacity.options import demand_of, parse
from bench.capacity.report import print_check, print_figures, print_line, print_plans, print_scenarios
from bench.capacity.samples import bytes_by_length, dkim_us, expiry
from bench.capacity.stack import CapacityStack

_IDLE_S = 15.0
_SETTLE_S = 3.0
_FULL_BATCH, _SMALL_BATCH = 500, 25
_CHECK_SIZES = (1, 5)
"""Of the deliveries of a round: the two sizes of the check."""


def main() -> None:
    """Measure or load the figures, print tables and the line of JSON."""
    options = parse(__doc__.splitlines()[0])
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that all processes are stopped
    rounds, checks = list[Round](), list[Round]()
    if options.saved:
        figures = Figures.load()
    else:
        figures, rounds, checks = asyncio.run(_measured(options))
        print_figures(figures, options)
        if options.save:
            figures.save()
    ratios = [print_check(figures, check) for check in checks]
    demands = [demand_of(options, day) for day in options.day]
    print_plans(figures, demands)
    print_scenarios(figures, sorted(demands, key=lambda demand: demand.deliveries_a_day)[len(demands) // 2])
    print_line(figures, [*rounds, *checks], ratios)


async def _measured(options: argparse.Namespace) -> tuple[Figures, list[Round], list[Round]]:
    """Run all rounds; return the figures, the rounds that they are made of, and those of the check."""
    with tempfile.TemporaryDirectory(prefix="tocsin-capacity-") as directory:
        async with CapacityStack(Path(directory), options.partitions, options.compression) as stack:
            rounds: dict[str, list[Round]] = {name: [] for name in MIXES}
            async with stack.workers(_FULL_BATCH) as processes, Meter(stack, processes) as meter:
                for mix in MIXES.values():  # warms the workers up
                    await _round(meter, {mix: options.deliveries // 2})
                await asyncio.sleep(_SETTLE_S)
                idle = await meter.idle_cores(_IDLE_S)
                for _ in range(
                    options.rounds
                ):  # in turn, so that all mixes meet the same state of the machine
                    for name, mix in MIXES.items():
                        rounds[name].append(await _round(meter, {mix: options.deliveries}))
                checked = [options.deliveries * times for times in _CHECK_SIZES if options.check]
                checks = [await _round(meter, _mixture(deliveries)) for deliveries in checked]
                sizes = await meter.redis_bytes()
            costs = {name: cost_of(of_mix, idle) for name, of_mix in rounds.items()}
            small = await _small_batches(stack, options, idle)
            dropped_id_bytes, expiry_us = await expiry(stack)
            figures = Figures(
                mixes=costs,
                idle_cores={name: idle[name] for name in PROCESSES},
                batch_us=batch_us_of(small, costs["both"], _SMALL_BATCH, _FULL_BATCH),
                connections={role: dict(servers) for role, servers in meter.connections.items()},
                memory_mib=meter.memory_mib,
                dataset_ratio=sizes.pop("used") / sum(sizes.values()),
                length_bytes=await bytes_by_length(stack),
                dropped_id_bytes=dropped_id_bytes,
                expiry_us=expiry_us,
                dkim_us=dkim_us(),
                holds=HoldFigures.load(),
            )
    return figures, [round_ for of_mix in rounds.values() for round_ in of_mix], checks


async def _small_batches(
    stack: CapacityStack, options: argparse.Namespace, idle: Mapping[str, float]
) -> Cost:
    """Return the costs with small batches, of the mix that every stage takes part in."""
    async with stack.workers(_SMALL_BATCH) as processes, Meter(stack, processes) as meter:
        mix = MIXES["both"]
        await _round(meter, {mix: options.deliveries // 2})
        return cost_of([await _round(meter, {mix: options.deliveries}) for _ in range(options.rounds)], idle)


def _mixture(deliveries: int) -> dict[Mix, int]:
    return {MIXES[name]: round(deliveries * share) for name, share in DEFAULT_SHARES.items()}


async def _round(meter: Meter, deliveries: Mapping[Mix, int]) -> Round:
    """Run one round of so many deliveries of each mix, all of them together."""
    parts: dict[Mix, Sequence[Event]] = {
        mix: mix.events(f"{mix.name}{token_hex(4)}", count) for mix, count in deliveries.items()
    }
    events = interleaved([list(part) for part in parts.values()])
    round_ = await meter.run(events, {mix: len(part) for mix, part in parts.items()})
    names = "+".join(mix.name for mix in parts)
    print(
        f"  {names}: {round_.deliveries} deliveries in {round_.elapsed_s:.1f} s, {round_.lost} lost,"
        f" {round_.duplicates} duplicates",
        flush=True,
    )
    return round_


if __name__ == "__main__":
    main()
