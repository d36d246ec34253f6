"""The price of `min-replicas-to-write`: CPU of a primary per command, alone, with a replica, and with one it needs.

SET of 200 bytes, and the script that writes a row of the tables, in pipelines of 100. The settings take
turns, and the figures are medians of the rounds, in µs of the primary's CPU by its own count.
"""

import argparse
import asyncio
import json
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from service.adapters.redis.script_batch import Script
from tests.support.redis_pair import RedisPair

ALONE, REPLICA, NEEDED = "alone", "replica", "min-replicas-to-write 1"
_PIPELINE = 100
_ROW = b'{"version": 1, "text": "%s"}' % (b"x" * 180)


async def measure(pair: RedisPair, case: str, commands: int) -> float:
    """Return the CPU of the primary in µs per command."""
    client: Any = Redis.from_url(pair.first.url)
    script = Script("row_put")
    await client.script_load(next(iter(script.texts.values())))
    try:
        before = await _cpu_s(client)
        for _ in range(commands // _PIPELINE):
            pipe = client.pipeline(transaction=False)
            for n in range(_PIPELINE):
                key = f"{case}:{n}"
                if case == "SET":
                    pipe.execute_command("SET", key, _ROW)
                else:
                    pipe.execute_command(*script.command([key], [1, _ROW], cluster=False))
            await pipe.execute()
        return (await _cpu_s(client) - before) / commands * 1e6
    finally:
        await client.aclose()


async def run(rounds: int, commands: int) -> dict[str, dict[str, float]]:
    """Return the medians by case, by setting."""
    figures: dict[str, dict[str, list[float]]] = {}
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as folder:
        async with RedisPair(Path(folder)) as pair:
            for _ in range(rounds):
                for setting in (ALONE, REPLICA, NEEDED):
                    await _set(pair, setting)
                    for case in ("SET", "EVALSHA"):
                        value = await measure(pair, case, commands)
                        figures.setdefault(case, {}).setdefault(setting, []).append(value)
    return {case: {s: statistics.median(v) for s, v in rows.items()} for case, rows in figures.items()}


async def _set(pair: RedisPair, setting: str) -> None:
    await pair.command(pair.first, "CONFIG", "SET", "min-replicas-to-write", 1 if setting == NEEDED else 0)
    if setting == ALONE:
        await pair.command(pair.second, "REPLICAOF", "NO", "ONE")
    elif (await pair.command(pair.second, "INFO", "replication"))["role"] == "master":
        await pair.replicate(pair.second, pair.first)


async def _cpu_s(client: Any) -> float:
    info = await client.info("cpu")
    return float(info["used_cpu_user"]) + float(info["used_cpu_sys"])


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table, then one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--commands", type=int, default=100_000)
    options = parser.parse_args(arguments)
    medians = asyncio.run(run(options.rounds, options.commands))
    for case, rows in medians.items():
        ratios = ", ".join(f"{s}: {v:.2f} us ({v / rows[ALONE]:.2f} x)" for s, v in rows.items())
        print(f"{case}: {ratios}")
    ours = {case: round(rows[NEEDED], 2) for case, rows in medians.items()}
    against = {s: {case: round(rows[s], 2) for case, rows in medians.items()} for s in (ALONE, REPLICA)}
    print(
        json.dumps(
            {
                "bench": "redis-replicas",
                "unit": "us",
                "ours": ours,
                "against": against,
                "lost": 0,
                "duplicates": 0,
            }
        )
    )


if __name__ == "__main__":
    main()
