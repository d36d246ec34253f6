"""A worker with a fault that no environment can cause: `python -m tests.chaos.worker`.

Takes the arguments of `tocsin`. TOCSIN_CHAOS_PLANT names a fault to plant in the product, to see whether the harness
notices it. TOCSIN_CHAOS_CLOCK names a file with an offset to the wall clock in seconds, which is read repeatedly.
BLOCK_SIGNAL blocks the event loop for BLOCKED_S seconds, while all threads run on.
"""

import os
import signal
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.chaos.patches import Replace, replace_attribute

FAILING_EVENT = b"fail here"
BLOCK_SIGNAL = signal.SIGRTMIN + 1
BLOCKED_S = 25.0


def commit_one_too_far(replace: Replace = replace_attribute) -> None:
    """Commit one offset past the finished records, as Faust's own consumer does."""
    from streams.consumer.offset_tracker import OffsetTracker

    def one_too_far(tracker: OffsetTracker) -> int | None:
        if tracker.committable is None or tracker.committable + 1 == tracker.committed:
            return None
        return tracker.committable + 1

    replace(OffsetTracker, "uncommitted_offset", property(one_too_far))


def handler_failure(replace: Replace = replace_attribute) -> None:
    """Raise an error that no handler expects, for an event that contains FAILING_EVENT."""
    from service.pipeline.resolve import ingest

    parse = ingest.parse

    def failing_parse(value: bytes | None, *more: Any, **named: Any) -> Any:
        if FAILING_EVENT in (value or b""):
            raise RuntimeError("planted")
        return parse(value, *more, **named)

    replace(ingest, "parse", failing_parse)


def items_unclaimed(replace: Replace = replace_attribute) -> None:
    """Send a digest with the items that were read, whatever the ledger says of them by then."""
    from service.pipeline.email.digest_batch import DigestBatch

    claim = DigestBatch.claim

    async def claim_anyway(self: DigestBatch, ids: Iterable[str]) -> set[str]:
        await claim(self, ids)
        return set()

    replace(DigestBatch, "claim", claim_anyway)


def window_unsealed(replace: Replace = replace_attribute) -> None:
    """Leave the windows of digests open until they are removed."""
    from service.adapters.redis.delivery.digest_windows import RedisDigestWindows

    async def read(self: RedisDigestWindows, digests: Sequence[Any]) -> Any:
        return await self.content([(digest.recipient, digest.id) for digest in digests])

    replace(RedisDigestWindows, "seal", read)


def limit_ignored(replace: Replace = replace_attribute) -> None:
    """Find room for every third mail that is over its limit."""
    from service.adapters.redis.delivery.mail_limits import RedisMailLimits

    take = RedisMailLimits.take

    async def take_anyway(self: RedisMailLimits, mails: Sequence[Any], now_ms: int) -> Sequence[int]:
        taken = await take(self, mails, now_ms)
        return [
            0 if int(mail.delivery, 16) % 3 == 0 else at_ms for mail, at_ms in zip(mails, taken, strict=True)
        ]

    replace(RedisMailLimits, "take", take_anyway)


PLANTED_FAULTS: Mapping[str, Callable[[], None]] = {
    "commit one too far": commit_one_too_far,
    "handler failure": handler_failure,
    "items unclaimed": items_unclaimed,
    "window unsealed": window_unsealed,
    "limit ignored": limit_ignored,
}


def shift_wall_clock(file: Path) -> None:
    """Add the offset in the file to the wall clock, and leave the monotonic clock as it is."""
    true_ns, offset_ns, read_at_s = time.time_ns, 0, 0.0

    def now_ns() -> int:
        nonlocal offset_ns, read_at_s
        if time.monotonic() - read_at_s > 0.2:
            read_at_s = time.monotonic()
            with suppress(ValueError):  # it is being written
                offset_ns = round(float(file.read_text()) * 1e9)
        return true_ns() + offset_ns

    time.time_ns = now_ns
    time.time = lambda: now_ns() / 1e9


def main() -> None:
    """Plant the fault or shift the clock, then run `tocsin`."""
    signal.signal(BLOCK_SIGNAL, lambda *_: time.sleep(BLOCKED_S))
    if name := os.environ.get("TOCSIN_CHAOS_PLANT"):
        PLANTED_FAULTS[name]()
    if file := os.environ.get("TOCSIN_CHAOS_CLOCK"):
        shift_wall_clock(Path(file))
    from service.cli import main as tocsin

    tocsin()


if __name__ == "__main__":
    main()
