"""How long the API takes at fixed rates, beside a bare route: python -m bench.api (make bench-api).

The real API as `tocsin api` runs it, on a real Kafka and Valkey, over an account of 10,000 contacts with 20,000
preferences and 100,000 inbox entries. The bare route is Starlette on the same server with the same settings. Both are
asked in turns, in the same run, by the clock: a request's time begins when it should have been sent, so a slow answer
cannot hide the next ones.
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
from bench.api_report import Side, report
from bench.cpu import Meter
from bench.http_load import HttpLoad
from bench.sides import Processes
from service.bootstrap import bootstrap
from service.dev.kafka import EmbeddedKafka
from service.dev.ports import LOOPBACK, free_port
from service.dev.valkey import EmbeddedValkey
from service.settings import KafkaSettings, RedisSettings, Settings
from streams.kafka.connection import kafka_connection
from streams.topics.apply import apply as apply_topics

COUNTS, EVERY = "counts at {:g}/s", "contacts, limit 0"
_WARM_SECONDS, _BARE_SHARE = 1.0, 0.5
_START_SECONDS = 40.0
_SECRET = token_hex(32)
_OFTEN = "120000/minute"  # counted as ever, but never reached


@dataclass(slots=True)
class Server:
    """One of the two: where it is, and what it does for a request."""

    load: HttpLoad
    meter: Meter
    side: Side = field(default_factory=Side)

    async def run(self, case: str, requests: Iterator[bytes], rate: float, seconds: float) -> None:
        """One round of a case, noted."""
        count = max(1, round(rate * seconds))
        self.meter.start()
        await self.load.run(requests, rate, count)
        self.side.note(case, self.load.seconds, self.load.failed, self.meter.stop(count)["server"])


def main() -> None:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rate", type=float, default=200.0, help="requests a second, each case")
    parser.add_argument(
        "--counts-rate", type=float, default=1000.0, help="requests a second, GET /counts alone"
    )
    parser.add_argument("--rounds", type=int, default=3, help="the median counts")
    parser.add_argument("--seconds", type=float, default=2.5, help="of a round of a case")
    parser.add_argument("--only", default="", help="cases with this text")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as directory, ExitStack() as opened:
        listening = _start(Path(directory), opened)
        ours, bare = uvloop.run(_measure(listening, options))
    report(ours, bare, f"{options.rate:g} requests a second, median of {options.rounds} rounds")


def _start(directory: Path, opened: ExitStack) -> Mapping[str, tuple[int, int]]:
    """Kafka, Valkey with the data in it, and both servers: by name their ports and process ids."""
    kafka = opened.enter_context(EmbeddedKafka(directory / "kafka", progress=print))
    valkey = opened.enter_context(EmbeddedValkey(directory / "valkey"))
    began = time.monotonic()
    asyncio.run(
        _prepare(
            Settings(kafka=KafkaSettings(bootstrap=kafka.bootstrap), redis=RedisSettings(url=valkey.url))
        )
    )
    print(f"filled in {time.monotonic() - began:.1f} s")
    ports = {"tocsin": free_port(), "starlette": free_port()}
    processes = Processes()
    opened.callback(processes.stop)
    env = {
        "TOCSIN_KAFKA__BOOTSTRAP": kafka.bootstrap,
        "TOCSIN_REDIS__URL": valkey.url,
        "TOCSIN_HTTP__PORT": str(ports["tocsin"]),
        "TOCSIN_AUTH__SECRET": _SECRET,
        "TOCSIN_LIMITS__INBOX": _OFTEN,
        "TOCSIN_LIMITS__ACCOUNT": _OFTEN,
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
    listening: Mapping[str, tuple[int, int]], options: argparse.Namespace
) -> tuple[Side, Side]:
    """Ours and the bare route's."""
    for name, (port, _) in listening.items():
        await _listens(name, port)
    ours, bare = (
        Server(HttpLoad(LOOPBACK, port), Meter({"server": pid})) for port, pid in listening.values()
    )
    requests, plain = Requests(_SECRET), repeat(b"GET /counts HTTP/1.1\r\nHost: bench.test\r\n\r\n")
    counts = COUNTS.format(options.counts_rate)
    plan = {case: (sent, options.rate) for case, sent in requests.cases().items()}
    plan |= {counts: (requests.counts(), options.counts_rate), EVERY: (requests.every_contact(), 2.0)}
    plan = {case: one for case, one in plan.items() if options.only in case}
    for sent, rate in plan.values():
        await ours.load.run(sent, rate, round(rate * _WARM_SECONDS))
    await bare.load.run(plain, options.rate, round(options.rate * _WARM_SECONDS))
    for _ in range(options.rounds):
        for case, (sent, rate) in plan.items():
            await ours.run(case, sent, rate, options.seconds)
            await bare.run(case, plain, rate, options.seconds * (1 if case == counts else _BARE_SHARE))
    return ours.side, bare.side


async def _listens(name: str, port: int) -> None:
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


if __name__ == "__main__":
    main()
