"""A worker with something of ours bent, for what the world cannot be made to do: `python -m tests.chaos.worker`.

Takes the arguments of `tocsin`. TOCSIN_CHAOS_PLANT names a fault to plant in our own code, to see whether the harness
finds it. TOCSIN_CHAOS_CLOCK names a file with an offset to the wall clock in seconds, read again and again.
"""

import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any


def commit_one_too_far() -> None:
    """Kafka is told of one record more than is finished, as Faust's own consumer does."""
    from streams.consumer.offset_tracker import OffsetTracker

    def one_too_far(offsets: OffsetTracker) -> int | None:
        if offsets.committable is None or offsets.committable + 1 == offsets.committed:
            return None
        return offsets.committable + 1

    OffsetTracker.uncommitted_offset = property(one_too_far)  # type: ignore[assignment]


def stumble() -> None:
    """Resolving fails in a way that nobody foresaw, for an event that has `STUMBLE` in it."""
    from service.pipeline.resolve import ingest

    parse = ingest.parse

    def stumbling(value: bytes | None, *more: Any) -> Any:
        if STUMBLE in (value or b""):
            raise RuntimeError("planted")
        return parse(value, *more)

    ingest.parse = stumbling  # type: ignore[assignment]


STUMBLE = b"stumble here"
PLANTS: Mapping[str, Callable[[], None]] = {"commit one too far": commit_one_too_far, "stumble": stumble}


def bend_the_clock(file: Path) -> None:
    """The wall clock is off by what the file says; the monotonic one is not."""
    true_ns, offset, read_at = time.time_ns, 0, 0.0

    def now_ns() -> int:
        nonlocal offset, read_at
        if time.monotonic() - read_at > 0.2:
            read_at = time.monotonic()
            with suppress(ValueError):  # it is being written
                offset = round(float(file.read_text()) * 1e9)
        return true_ns() + offset

    time.time_ns = now_ns
    time.time = lambda: now_ns() / 1e9


def main() -> None:
    """Bend, then be `tocsin`."""
    if plant := os.environ.get("TOCSIN_CHAOS_PLANT"):
        PLANTS[plant]()
    if file := os.environ.get("TOCSIN_CHAOS_CLOCK"):
        bend_the_clock(Path(file))
    from service.cli import main as tocsin

    tocsin()


if __name__ == "__main__":
    main()
