"""The delay of urgent mail while a backlog of bulk mail is sent: python -m bench.lanes.

1. Urgent mails alone, at a fixed rate: the delay of each, from produced to the relay's reply.
2. Resolve queues the backlog; no stage sends yet.
3. The email stage starts on the backlog, and the same urgent mails come at the same rate.
"""

import argparse
import asyncio
import signal
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex
from statistics import quantiles
from typing import NamedTuple

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition

from bench.cases import OWNERS, SOURCE, Case, event_id
from bench.load import Load
from bench.outcomes import OutcomeLog
from bench.stack import Stack
from service.bootstrap.contents import shipped_catalogue

_CATALOGUE = shipped_catalogue()
_URGENT, _BULK = "reset_password", "random_upgrade"
_CHUNK = 50_000
_POLL_S = 0.2
_STALL_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class _SampleCase(Case):
    """Events with the type's sample data, for the contacts of the accounts in turn."""

    def event(self, run: str, i: int) -> tuple[bytes, bytes]:
        """Return key and value of an event."""
        account = f"acct-{i % OWNERS}"
        fields = {
            "specversion": "1.0",
            "id": event_id(run, i),
            "source": SOURCE,
            "type": self.type,
            "time": datetime.now(UTC).isoformat(),
            "account": account,
            "data": _CATALOGUE[self.type].sample.get("data", {}),
        }
        return account.encode(), orjson.dumps(fields)


class Delays(NamedTuple):
    """The delays of a run in milliseconds, and the urgent mails that were not sent."""

    p50_ms: float
    p99_ms: float
    most_ms: float
    lost: int


URGENT = _SampleCase("urgent", _URGENT, "sent", mail=True)
BULK = _SampleCase("bulk", _BULK, "sent", mail=True)


def main() -> None:
    """Parse the options, run, and print the delays."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bulk", type=int, default=1_000_000, help="bulk mails that wait")
    parser.add_argument("--urgent", type=int, default=1_000, help="urgent mails of each run")
    parser.add_argument("--rate", type=float, default=20.0, help="urgent mails a second")
    parser.add_argument("--partitions", type=int, default=2)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that all processes are stopped
    asyncio.run(run(parser.parse_args()))


async def run(options: argparse.Namespace) -> None:
    """Run both parts on one broker, one Redis and one sink."""
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as directory:
        async with AsyncExitStack() as exits:
            stack = await exits.enter_async_context(Stack(Path(directory), options.partitions))
            load = Load(stack.bootstrap)
            await load.start()
            exits.push_async_callback(load.stop)
            outcomes = OutcomeLog(stack.bootstrap, "dispatch.outcomes", options.partitions)
            await exits.enter_async_context(outcomes)
            await exits.enter_async_context(stack.tocsin(URGENT, ["resolve"], None))
            async with stack.tocsin(URGENT, ["email,schedule"], None):
                await _delays(load, outcomes, 100, options.rate)  # all code has run once
                alone = await _delays(load, outcomes, options.urgent, options.rate)
            await _queue(stack, load, options.bulk, options.partitions)
            async with stack.tocsin(URGENT, ["email,schedule"], None):
                sent_before = stack.sink.accepted()
                while stack.sink.accepted() - sent_before < min(options.bulk, 1_000):  # noqa: ASYNC110 - it has no event
                    await asyncio.sleep(_POLL_S)
                began_s, sent_before = time.monotonic(), stack.sink.accepted()
                beside = await _delays(load, outcomes, options.urgent, options.rate)
                sent, took_s = stack.sink.accepted() - sent_before, time.monotonic() - began_s
    left = options.bulk - sent
    print(f"urgent mail alone:  p50 {alone.p50_ms:.0f} ms, p99 {alone.p99_ms:.0f} ms, {alone.lost} lost")
    print(f"urgent mail beside: p50 {beside.p50_ms:.0f} ms, p99 {beside.p99_ms:.0f} ms, {beside.lost} lost")
    print(f"all mail meanwhile: {sent / took_s:,.0f} a second; {left:,} bulk mails were left")
    line = {
        "bench": "lanes",
        "unit": "ms",
        "bulk": options.bulk,
        "left": left,
        "alone": alone._asdict(),
        "beside": beside._asdict(),
        "mails_per_s": round(sent / took_s),
    }
    print(orjson.dumps(line).decode())


async def _delays(load: Load, outcomes: OutcomeLog, count: int, rate: float) -> Delays:
    """Publish urgent mails at a rate; return their delays."""
    name = f"urgent{token_hex(4)}"
    await outcomes.mark()
    produced = await load.steady("events", URGENT, name, count, rate)
    finished: dict[int, int] = {}
    progress_s = time.monotonic()
    while len(finished) < count and time.monotonic() - progress_s < _STALL_TIMEOUT_S:
        before = len(finished)
        finished, _ = await outcomes.final(name, URGENT.final)
        if len(finished) > before:
            progress_s = time.monotonic()
        await asyncio.sleep(_POLL_S)
    return _summary([at - produced[i] for i, at in finished.items()], count)


def _summary(delays_ms: Sequence[int], count: int) -> Delays:
    cuts = quantiles(delays_ms, n=100)
    return Delays(cuts[49], cuts[98], max(delays_ms), count - len(delays_ms))


async def _queue(stack: Stack, load: Load, bulk: int, partitions: int) -> None:
    """Have resolve queue the backlog, and return when all of it is in the topic of the bulk lane."""
    name = f"bulk{token_hex(4)}"
    topic = [TopicPartition("dispatch.email.bulk", n) for n in range(partitions)]
    consumer = AIOKafkaConsumer(bootstrap_servers=stack.bootstrap)
    await consumer.start()
    try:
        began = sum((await consumer.end_offsets(topic)).values())
        for start in range(0, bulk, _CHUNK):
            events = [BULK.event(name, i) for i in range(start, min(bulk, start + _CHUNK))]
            await load.flood("events", events)
        queued, progress_s = 0, time.monotonic()
        while queued < bulk and time.monotonic() - progress_s < _STALL_TIMEOUT_S:
            now = sum((await consumer.end_offsets(topic)).values()) - began
            if now > queued:
                queued, progress_s = now, time.monotonic()
            await asyncio.sleep(_POLL_S)
        if queued < bulk:
            raise RuntimeError(f"only {queued} of {bulk} bulk mails were queued")
    finally:
        await consumer.stop()


if __name__ == "__main__":
    main()
