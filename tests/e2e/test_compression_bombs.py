"""Small record batches that expand to gigabytes: a worker with little memory passes them, and delivers what is good."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import psutil
import pytest

from service.dev.ports import free_port
from tests.support.readiness import wait_until_ready
from tests.support.real_pipeline import RealPipeline
from tests.support.record_batches import GZIP, LZ4, NONE, SNAPPY, ZSTD, Raw, batch_bytes, send_batch
from tests.support.wait import eventually

_MIB = 1 << 20
LIMIT_MIB = 512


def good(event_id: str) -> Raw:
    """Return an event for one recipient."""
    event = {"id": event_id, "source": "/bomb", "type": "overbid", "recipients": ["alice"]}
    return Raw(b"k", json.dumps(event | {"data": {"lot_id": event_id}}).encode())


def bombs() -> dict[str, tuple[int, Sequence[Raw]]]:
    """Return batches that a broker accepts by default, by name: codec and records."""
    zero = (b"\0", _MIB)
    return {
        "gzip": (GZIP, [good("in-1"), *[Raw(b"z", zero) for _ in range(680)], good("in-2")]),
        "snappy": (SNAPPY, [Raw(b"z", zero) for _ in range(18)]),
        "lz4": (LZ4, [good("in-3"), *[Raw(b"z", zero) for _ in range(150)], good("in-4")]),
        "zstd": (ZSTD, [Raw(b"z", zero) for _ in range(1500)]),
        "one record": (ZSTD, [Raw(b"z", (b"\0", 600 * _MIB)), good("in-5")]),
        "many values": (GZIP, [Raw(None, (b" ", 250_000)) for _ in range(2000)]),
        "nested": (GZIP, [Raw(None, b"[" * 60 + b"[]," * 80_000) for _ in range(200)]),
        "headers": (GZIP, [Raw(None, b"", [("", None)] * 60_000) for _ in range(20)]),
        "keys": (GZIP, [Raw(b"k" * 900_000, None) for _ in range(50)]),
        "tiny": (GZIP, [Raw(None, b"%d" % n) for n in range(100_000)]),
        "plain": (NONE, [Raw(None, b"{" * 900_000)]),
    }


@asynccontextmanager
async def slowest_answers(url: str) -> AsyncIterator[list[float]]:
    """Ask a probe again and again; the list has the seconds of each answer."""
    answers: list[float] = []

    async def ask() -> None:
        async with httpx.AsyncClient(timeout=30) as client:
            while True:
                started = time.perf_counter()
                assert (await client.get(url)).status_code == 200
                answers.append(time.perf_counter() - started)
                await asyncio.sleep(0.01)

    asking = asyncio.create_task(ask())
    try:
        yield answers
    finally:
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)


@pytest.mark.timeout(300)
async def test_bombs_cost_little_memory_and_delay_nothing() -> None:
    """Every codec, large and tiny records, headers and keys: good events among, behind and beside are delivered."""
    async with RealPipeline(partitions=3) as pipeline:
        topic, bootstrap = pipeline.settings.kafka.events[0], pipeline.settings.kafka.bootstrap
        port = free_port()
        worker = pipeline.start_worker(
            module="tests.support.limited_memory",
            LIMIT_MIB=str(LIMIT_MIB),
            TOCSIN_WORKER__METRICS_PORT=str(port),
        )
        probe = f"http://127.0.0.1:{port}"
        await wait_until_ready(f"{probe}/readyz")
        now_ms = time.time_ns() // 1_000_000
        batches = {
            name: batch_bytes(records, codec, timestamp_ms=now_ms)
            for name, (codec, records) in bombs().items()
        }
        async with slowest_answers(f"{probe}/livez") as answers:
            for name, batch in batches.items():
                assert len(batch) < 1_048_588, name
                await send_batch(bootstrap, topic, 0, batch)
                started = time.monotonic()
                await send_batch(bootstrap, topic, 0, batch_bytes([good(f"behind-{name}")]))
                await send_batch(bootstrap, topic, 1, batch_bytes([good(f"beside-{name}")]))
                await pipeline.wait_until_finished("/bomb", f"beside-{name}")
                beside_s = time.monotonic() - started
                await pipeline.wait_until_finished("/bomb", f"behind-{name}")
                behind_s = time.monotonic() - started
                memory = psutil.Process(worker.pid).memory_info().rss / _MIB
                print(f"{name}: beside {beside_s:.2f} s, behind {behind_s:.2f} s, {memory:.0f} MiB")
                assert beside_s < 30
                assert behind_s < 60
            print(f"slowest answers: {sorted(answers)[-5:]} of {len(answers)}")
            assert sorted(answers)[-1] < 1
        for number in range(1, 6):
            await pipeline.wait_until_finished("/bomb", f"in-{number}")
        assert worker.poll() is None
        assert _peak_mib(worker.pid) < LIMIT_MIB

        expected = sum(len(records) for _, records in bombs().values()) - 5
        letters: list[tuple[bytes, dict[str, bytes]]] = []

        async def all_bad_are_dead_letters() -> bool:
            letters[:] = await pipeline.dead_letters()
            return len(_offsets(letters)) >= expected

        await eventually(all_bad_are_dead_letters, 120)
        assert len(_offsets(letters)) == expected
        assert sum(len(value) for value, _ in letters) < 64 * _MIB


def _offsets(letters: Sequence[tuple[bytes, dict[str, bytes]]]) -> set[tuple[bytes, int]]:
    """Return the positions of the records that dead letters stand for."""
    return {
        (headers["tocsin-partition"], offset)
        for _, headers in letters
        for offset in range(
            int(headers["tocsin-offset"]),
            int(headers.get("tocsin-last-offset", headers["tocsin-offset"])) + 1,
        )
    }


def _peak_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(row.split()[1]) / 1024 for row in status.splitlines() if row.startswith("VmHWM"))
