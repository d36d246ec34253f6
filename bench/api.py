"""Response times of the API at fixed rates, beside a bare route: python -m bench.api (make bench-api).

The API runs as `tocsin api` runs it, on a real Kafka and Valkey, over an account of 10,000 contacts with 20,000
preferences and 100,000 inbox entries. The bare route is Starlette on the same server with the same settings. Both get
their requests in turns, in the same run, by the clock: the time of a request begins when it should have been sent, so
a slow response cannot hide the next ones.
"""

import argparse
import asyncio
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import repeat
from pathlib import Path
from secrets import token_hex

import uvloop

from bench.api_data import Requests, fill
from bench.api_report import Figures, report
from bench.cpu import CpuMeter
from bench.http_load import HttpLoad
from bench.sides import Processes
from service.bootstrap.parts import bootstrap
from service.dev.kafka import EmbeddedKafka
from service.dev.ports import LOOPBACK, free_port
from service.dev.valkey import EmbeddedValkey
from service.settings import KafkaSettings, RedisSettings, Settings
from streams.kafka.connection import kafka_connection
from streams.topics.apply import apply as apply_topics

COUNTS, ALL_CONTACTS = "counts at {:g}/s", "contacts, limit 0"
_WARM_UP_S, _BARE_SHARE = 1.0, 0.5
_START_TIMEOUT_S = 40.0
_SECRET = token_hex(32)
_HIGH_LIMIT = "120000/minute"  # counted as usual, but never reached


@dataclass(slots=True)
class Server:
    """One of the two servers: its load, its CPU meter and its figures."""

    load: HttpLoad
    meter: CpuMeter
    figures: Figures = field(default_factory=Figures)

    async def run(self, case: str, requests: Iterator[bytes], rate: float, duration_s: float) -> None:
        """Run one round of a case, and add its figures."""
        count = max(1, round(rate * duration_s))
        self.meter.start()
        await self.load.run(requests, rate, count)
        self.figures.add(case, self.load.times_s, self.load.failed, self.meter.stop(count)["server"])


def main() -> None:
    """Parse the options, run, and print the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rate", type=float, default=200.0, help="requests per second in each case")
    parser.add_argument(
        "--counts-rate", type=float, default=1000.0, help="requests per second of GET /counts alone"
    )
    parser.add_argument(
        "--rounds", type=int, default=3, help="rounds of each case, of which the median counts"
    )
    parser.add_argument("--seconds", type=float, default=2.5, help="length of a round")
    parser.add_argument("--only", default="", help="cases with this text in their names")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as directory, ExitStack() as stack:
        servers = _start(Path(directory), stack)
        ours, bare = uvloop.run(_measure(servers, options))
    report(ours, bare, f"{options.rate:g} requests per second, median of {options.rounds} rounds")


def _start(directory: Path, stack: ExitStack) -> Mapping[str, tuple[int, int]]:
    """Start Kafka, Valkey with the data, and both servers; return their ports and process ids by name."""
    kafka = stack.enter_context(EmbeddedKafka(directory / "kafka", progress=print))
    valkey = stack.enter_context(EmbeddedValkey(directory / "valkey"))
    started = time.monotonic()
    asyncio.run(
        _prepare(
            Settings(kafka=KafkaSettings(bootstrap=kafka.bootstrap), redis=RedisSettings(url=valkey.url))
        )
    )
    print(f"filled in {time.monotonic() - started:.1f} s")
    ports = {"tocsin": free_port(), "starlette": free_port()}
    processes = Processes()
    stack.callback(processes.stop)
    env = {
        "TOCSIN_KAFKA__BOOTSTRAP": kafka.bootstrap,
        "TOCSIN_REDIS__URL": valkey.url,
        "TOCSIN_HTTP__PORT": str(ports["tocsin"]),
        "TOCSIN_AUTH__SECRET": _SECRET,
        "TOCSIN_LIMITS__INBOX": _HIGH_LIMIT,
        "TOCSIN_LIMITS__ACCOUNT": _HIGH_LIMIT,
        "TOCSIN_LOG_LEVEL": "WARNING",
    }
    processes.start("tocsin", ["service.cli", "api"], env, directory / "api.log")
    processes.start("starlette", ["bench.bare_app", str(ports["starlette"])], {}, directory / "bare.log")
    return {name: (port, processes.pids[name]) for name, port in ports.items()}


async def _prepare(settings: Settings) -> None:
    await apply_topics(kafka_connection(settings.kafka), partitions=3)
    parts = bootstrap(settings)
    await fill(parts)
    await parts.store.close()


async def _measure(
    servers: Mapping[str, tuple[int, int]], options: argparse.Namespace
) -> tuple[Figures, Figures]:
    """Return the figures of Tocsin and of the bare route."""
    for name, (port, _) in servers.items():
        await _wait_for(name, port)
    ours, bare = (
        Server(HttpLoad(LOOPBACK, port), CpuMeter({"server": pid})) for port, pid in servers.values()
    )
    source, plain = Requests(_SECRET), repeat(b"GET /counts HTTP/1.1\r\nHost: bench.test\r\n\r\n")
    counts = COUNTS.format(options.counts_rate)
    plan = {case: (requests, options.rate) for case, requests in source.cases().items()}
    plan |= {counts: (source.counts(), options.counts_rate), ALL_CONTACTS: (source.all_contacts(), 2.0)}
    plan = {case: row for case, row in plan.items() if options.only in case}
    for requests, rate in plan.values():
        await ours.load.run(requests, rate, round(rate * _WARM_UP_S))
    await bare.load.run(plain, options.rate, round(options.rate * _WARM_UP_S))
    for _ in range(options.rounds):
        for case, (requests, rate) in plan.items():
            await ours.run(case, requests, rate, options.seconds)
            await bare.run(case, plain, rate, options.seconds * (1 if case == counts else _BARE_SHARE))
    return ours.figures, bare.figures


async def _wait_for(name: str, port: int) -> None:
    """Return when a server accepts connections; end the program when it does not in time."""
    deadline = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < deadline:
        try:
            _, writer = await asyncio.open_connection(LOOPBACK, port)
        except OSError:
            await asyncio.sleep(0.1)
        else:
            writer.close()
            return
    sys.exit(f"{name} does not listen")


if __name__ == "__main__":
    main()
