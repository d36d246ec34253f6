"""How long GET /counts takes at a fixed rate, beside a bare route: python -m bench.api (make bench-api).

The real API as `tocsin api` runs it, on a real Kafka and Valkey: authentication, rate limit, content negotiation, one
script in Redis. The bare route is Starlette on the same uvicorn. Both are asked in turns, in the same run, by the
clock: a request's time begins when it should have been sent, so a slow answer cannot hide the next ones.
"""

import argparse
import asyncio
import json
import signal
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from secrets import token_hex

import jwt
import uvloop
from rich.console import Console
from rich.table import Table

from bench.http_load import HttpLoad
from bench.sides import Processes
from service.bootstrap import bootstrap
from service.dev.kafka import EmbeddedKafka
from service.dev.ports import LOOPBACK, free_port
from service.dev.valkey import EmbeddedValkey
from service.ports import InboxItem
from service.settings import Redis, Settings

_RECIPIENTS = 500
_ENTRIES = ("overbid", "overbid", "winner", "payment_approved")
_SECONDS = 10
_START_SECONDS = 40.0


def main() -> None:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rate", type=float, default=1000.0, help="requests a second")
    parser.add_argument("--rounds", type=int, default=3, help="of ten seconds each; the median counts")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as directory, ExitStack() as opened:
        ports = _start(Path(directory), opened)
        results = uvloop.run(_measure(ports, options))
    _report(results, options)


_SECRET = token_hex(32)


def _start(directory: Path, opened: ExitStack) -> dict[str, int]:
    """Kafka, Valkey with inboxes in it, and both servers; their ports."""
    kafka = opened.enter_context(EmbeddedKafka(directory / "kafka", progress=print))
    valkey = opened.enter_context(EmbeddedValkey(directory / "valkey"))
    asyncio.run(_fill(valkey.url))
    ports = {"tocsin": free_port(), "starlette": free_port()}
    processes = Processes()
    opened.callback(processes.stop)
    env = {
        "TOCSIN_KAFKA__BOOTSTRAP": kafka.bootstrap,
        "TOCSIN_REDIS__URL": valkey.url,
        "TOCSIN_HTTP__PORT": str(ports["tocsin"]),
        "TOCSIN_AUTH__SECRET": _SECRET,
        "TOCSIN_LOG_LEVEL": "WARNING",
    }
    processes.start("tocsin", ["service.cli", "api"], env, directory / "api.log")
    bare = ["uvicorn", "bench.bare_app:app", "--port", str(ports["starlette"]), "--no-access-log"]
    processes.start("starlette", [*bare, "--log-level", "warning"], {}, directory / "bare.log")
    return ports


async def _fill(url: str) -> None:
    """Some unread entries for every recipient."""
    parts = bootstrap(Settings(redis=Redis(url=url)))
    await parts.tables.mark_complete()
    now = parts.clock.now_ms()
    await parts.inbox.add(
        [
            InboxItem(f"{number:020x}{n:04x}", f"user-{number}", kind, 0, now, {})
            for number in range(_RECIPIENTS)
            for n, kind in enumerate(_ENTRIES)
        ]
    )
    await parts.store.close()


def _requests() -> Sequence[bytes]:
    """One for each recipient, with its own token."""
    expires = int(time.time()) + 3600
    claims = [
        {"sub": f"user-{n}", "scope": "inbox", "aud": "tocsin", "exp": expires, "iat": expires - 3600}
        for n in range(_RECIPIENTS)
    ]
    head = "GET /counts HTTP/1.1\r\nHost: bench.test\r\nAccept: application/vnd.api+json\r\nAuthorization: Bearer "
    return [f"{head}{jwt.encode(claim, _SECRET)}\r\n\r\n".encode() for claim in claims]


async def _measure(
    ports: Mapping[str, int], options: argparse.Namespace
) -> Mapping[str, tuple[list[float], list[float], int]]:
    """By server the p50 and the p99 of each round (ms), and how many requests failed in all."""
    requests = _requests()
    loads = {name: HttpLoad(LOOPBACK, port) for name, port in ports.items()}
    results: dict[str, tuple[list[float], list[float], int]] = {name: ([], [], 0) for name in ports}
    for name, port in ports.items():
        await _listening(name, port)
        await loads[name].run(requests, options.rate, int(options.rate * _SECONDS / 2))
    for _ in range(options.rounds):
        for name, load in loads.items():
            await load.run(requests, options.rate, int(options.rate * _SECONDS))
            times = sorted(load.seconds)
            medians, tails, failed = results[name]
            medians.append(times[len(times) // 2] * 1000)
            tails.append(times[int((len(times) - 1) * 0.99)] * 1000)
            results[name] = (medians, tails, failed + load.failed)
    return results


async def _listening(name: str, port: int) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        try:
            _, writer = await asyncio.open_connection(LOOPBACK, port)
        except OSError:
            await asyncio.sleep(0.1)
        else:
            writer.close()
            return
    sys.exit(f"{name} does not listen")


def _report(results: Mapping[str, tuple[list[float], list[float], int]], options: argparse.Namespace) -> None:
    table = Table(
        title=f"GET /counts at {options.rate:g} requests a second, median of {options.rounds} rounds"
    )
    for heading in ("server", "p50 ms", "p99 ms", "p99 of each round", "failed"):
        table.add_column(heading, justify="left" if heading == "server" else "right")
    told: dict[str, dict[str, float]] = {}
    for name, (medians, tails, failed) in results.items():
        middle = {"p50": sorted(medians)[len(medians) // 2], "p99": sorted(tails)[len(tails) // 2]}
        told[name] = {share: round(ms, 2) for share, ms in middle.items()}
        each = " ".join(f"{ms:.1f}" for ms in tails)
        table.add_row(name, f"{middle['p50']:.2f}", f"{middle['p99']:.2f}", each, str(failed))
    Console().print(table)
    line = {
        "bench": "api",
        "unit": "ms",
        "ours": told["tocsin"],
        "against": {"starlette": told["starlette"]},
        "lost": results["tocsin"][2],
        "duplicates": 0,
    }
    print(json.dumps(line))


if __name__ == "__main__":
    main()
