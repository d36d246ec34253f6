"""One event for a million recipients, on inbox and mail: python -m bench.wide (make bench-wide).

1. Fill the tables: each recipient holds the role that the type's audience names.
2. Publish one event, and kill workers at random points of its progress; each is started again at once.
3. Wait until every consumer group has committed all that there is, and audit every recipient (`wide_audit`).
"""

import argparse
import asyncio
import json
import random
import signal
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex

import orjson
from aiokafka import TopicPartition
from rich.console import Console
from rich.table import Table

from bench.cases import SOURCE
from bench.cpu import CpuMeter
from bench.fleet import ROLE, STAGES, TYPE, Fleet, counting_sink, running_fleet
from bench.group_log import Generation, GroupLog
from bench.load import Load
from bench.outcomes import OutcomeLog
from bench.stack import Stack
from bench.wide_audit import Audit, audit
from service.bootstrap.parts import Parts, bootstrap
from service.model.catalogue import Lane
from service.model.ids import event_key
from service.model.recipient import Recipient
from service.settings import KafkaSettings, RedisSettings, Settings

_GROUPS = {
    "resolve": {"resolve": "events"},
    "inbox": {"inbox": "dispatch.inbox"},
    "email": {f"email.{lane}": f"dispatch.email.{lane}" for lane in Lane},
}
"""The groups of each worker, with the topic that they read."""
_ROWS, _DOMAINS = 5_000, 100
_POLL_S, _STALL_TIMEOUT_S, _START_TIMEOUT_S = 0.25, 180.0, 60.0
_FIRST_KILL, _LAST_KILL = 0.02, 0.95
"""Shares of the outcomes between which workers are killed."""
_SESSION_S = 15
"""Within so long after a kill, the group notices it and the worker that replaces it joins: the timeout and starting."""


@dataclass(slots=True)
class Run:
    """What was measured. CPU in µs a delivery and peak memory in bytes, by process."""

    elapsed_s: float = 0.0
    cpu_us: Mapping[str, float] = field(default_factory=dict)
    peak_bytes: Mapping[str, int] = field(default_factory=dict)
    kills: list[tuple[str, int]] = field(default_factory=list)
    """Worker and time (ms)."""
    rebalances: Sequence[Generation] = ()
    """Those that no kill explains."""


def main() -> None:
    """Parse the options, run, and print the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipients", type=int, default=1_000_000)
    parser.add_argument("--kills", type=int, default=0, help="workers killed by SIGKILL")
    parser.add_argument("--seed", type=int, default=1, help="chooses the workers and the points")
    parser.add_argument("--partitions", type=int, default=2)
    parser.add_argument("--profile", type=Path, help="folder for CPU profiles of the workers; not with kills")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that all processes are stopped
    asyncio.run(run(parser.parse_args()))


async def run(options: argparse.Namespace) -> None:
    """Run once, on a broker, a Redis and a sink of its own."""
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as name:
        directory, event_id = Path(name), f"wide{token_hex(4)}"
        async with AsyncExitStack() as exits:
            stack = await exits.enter_async_context(Stack(directory, options.partitions))
            kafka, redis = KafkaSettings(bootstrap=stack.bootstrap), RedisSettings(url=stack.redis_url)
            parts = bootstrap(Settings(kafka=kafka, redis=redis))
            exits.push_async_callback(parts.store.close)
            print(f"writing {options.recipients:,} recipients ...", flush=True)
            await _seed(parts, options.recipients)
            sink = exits.enter_context(counting_sink())
            groups = await exits.enter_async_context(GroupLog(stack.bootstrap))
            fleet = exits.enter_context(running_fleet(stack, directory, sink, options.profile))
            await _wait_until_joined(groups)
            load = Load(stack.bootstrap)
            await load.start()
            exits.push_async_callback(load.stop)
            meter = CpuMeter({**stack.pids, **fleet.processes.pids, "sink": sink.pid})
            measured = await _deliver(fleet, groups, load, stack, event_id, options, meter)
            counted = json.loads((await asyncio.to_thread(sink.communicate, b""))[0])
            print("auditing ...", flush=True)
            event = event_key(SOURCE, event_id)
            audited = await audit(parts, event, map(_id, range(options.recipients)), counted)
    _report(measured, audited, options)


async def _seed(parts: Parts, recipients: int) -> None:
    for start in range(0, recipients, _ROWS):
        rows = [
            Recipient(
                id=_id(n),
                address=f"user{n}@mail{n % _DOMAINS}.example.com",
                name=f"User {n}",
                roles=(ROLE,),
                version=1,
            )
            for n in range(start, min(recipients, start + _ROWS))
        ]
        await parts.writes.put_recipients(rows)


def _id(n: int) -> str:
    return f"user-{n:07}"


def _event(event_id: str) -> tuple[bytes, bytes]:
    fields = {
        "specversion": "1.0",
        "id": event_id,
        "source": SOURCE,
        "type": TYPE,
        "time": datetime.now(UTC).isoformat(),
        "data": {"lot_id": "7"},
    }
    return event_id.encode(), orjson.dumps(fields)


async def _wait_until_joined(groups: GroupLog) -> None:
    """Return when every group has members. Raise TimeoutError after a minute."""
    every = {group for of_worker in _GROUPS.values() for group in of_worker}
    async with asyncio.timeout(_START_TIMEOUT_S):
        while every - {generation.group for generation in groups.generations}:
            await asyncio.sleep(_POLL_S)
            await groups.read()


async def _deliver(
    fleet: Fleet,
    groups: GroupLog,
    load: Load,
    stack: Stack,
    event_id: str,
    options: argparse.Namespace,
    meter: CpuMeter,
) -> Run:
    """Publish the event, kill workers at their points, and return when everything is committed."""
    measured, rng, deliveries = Run(), random.Random(options.seed), 2 * options.recipients
    points = sorted(rng.uniform(_FIRST_KILL, _LAST_KILL) * deliveries for _ in range(options.kills))
    before = len(groups.generations)
    async with OutcomeLog(stack.bootstrap, "dispatch.outcomes", options.partitions) as outcomes:
        await outcomes.mark()
        meter.start()
        started_s = last_progress_s = time.monotonic()
        await load.flood("events", [_event(event_id)])
        seen = 0
        while seen < deliveries or await _uncommitted(groups, options.partitions):
            await asyncio.sleep(_POLL_S)
            fleet.processes.check()
            count = await outcomes.count()
            fleet.note_peaks()
            if points and count >= points[0]:
                points.pop(0)
                name = rng.choice([*STAGES])
                fleet.kill(name)
                measured.kills.append((name, time.time_ns() // 1_000_000))
                print(f"  killed {name} at {count:,} outcomes", flush=True)
                fleet.start(name)
            if count > seen:
                seen, last_progress_s = count, time.monotonic()
            elif time.monotonic() - last_progress_s > _STALL_TIMEOUT_S:
                print(f"  no outcome for {_STALL_TIMEOUT_S:.0f} s", flush=True)
                break
        measured.peak_bytes = fleet.peak_bytes
        measured.elapsed_s = time.monotonic() - started_s
        measured.cpu_us = {} if options.kills else meter.stop(deliveries)
    measured.rebalances = _unexplained(groups.generations[before:], measured.kills)
    return measured


async def _uncommitted(groups: GroupLog, partitions: int) -> int:
    await groups.read()
    read = {group: topic for of_worker in _GROUPS.values() for group, topic in of_worker.items()}
    return await groups.lag({g: [TopicPartition(t, n) for n in range(partitions)] for g, t in read.items()})


def _unexplained(generations: Sequence[Generation], kills: Sequence[tuple[str, int]]) -> list[Generation]:
    """Return the rebalances that did not follow the kill of a worker of the group."""
    return [
        one
        for one in generations
        if not any(
            one.group in _GROUPS[name] and at_ms <= one.at_ms <= at_ms + _SESSION_S * 1000
            for name, at_ms in kills
        )
    ]


def _report(measured: Run, audited: Audit, options: argparse.Namespace) -> None:
    """Print the table and the line of JSON."""
    rate = 2 * audited.recipients / measured.elapsed_s
    table = Table("process", "CPU µs a delivery", "peak memory, MB")
    for name in sorted({*measured.cpu_us, *measured.peak_bytes}):
        cpu, peak = measured.cpu_us.get(name), measured.peak_bytes.get(name)
        table.add_row(name, f"{cpu:.1f}" if cpu else "", f"{peak / 1e6:.0f}" if peak else "")
    console = Console(width=100)
    console.print(
        f"{audited.recipients:,} recipients, inbox and mail: {rate:,.0f} deliveries/s, "
        f"{measured.elapsed_s:.0f} s, {len(measured.kills)} kills"
    )
    console.print(table)
    console.print(f"rebalances that no kill explains: {len(measured.rebalances)} {list(measured.rebalances)}")
    console.print(f"{'exact' if audited.exact else 'NOT EXACT'}: {audited}")
    line = {
        "bench": "wide",
        "unit": "per_s",
        "ours": {f"{audited.recipients} recipients": round(rate)},
        "against": {},
        "cpu_us": {name: round(value, 1) for name, value in measured.cpu_us.items()},
        "peak_bytes": measured.peak_bytes,
        "kills": len(measured.kills),
        "rebalances": len(measured.rebalances),
        "lost": audited.lost,
        "duplicates": audited.entries_twice + audited.mails_twice,
        "in_doubt": audited.in_doubt,
    }
    print(json.dumps(line))


if __name__ == "__main__":
    main()
