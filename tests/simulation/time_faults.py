"""Faults of time to plant in the product: the simulation with time must find every one."""

from collections.abc import Collection, Iterable, Sequence
from contextlib import AbstractContextManager, ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch
from zoneinfo import ZoneInfo

from service.model.delivery import Delivery
from service.model.holds.calendar import quiet_until_ms
from service.model.ledger import State
from service.model.reasons import Reason
from service.pipeline.email.allowances import Allowances
from service.pipeline.email.digest_batch import DigestBatch
from service.pipeline.email.recheck import RecheckedDelivery
from service.pipeline.holds import HeldDelivery, Holds, add_to_due_set
from service.pipeline.resolve.precedence import Decision, hold_scheduled
from service.ports import DueSet
from tests.fakes.digest_windows import FakeDigestWindows
from tests.fakes.due import FakeDueSet
from tests.fakes.mail_limits import FakeMailLimits
from tests.simulation.wall_clock import HOUR_MS

_PRECEDENCE = "service.pipeline.resolve.precedence"


def no_quiet_hours() -> AbstractContextManager[Any]:
    """Send at any time."""
    return patch(f"{_PRECEDENCE}.quiet_ms_of", lambda *_: 0)


def winter_time() -> AbstractContextManager[Any]:
    """Know one offset of each zone, that of January, so that quiet hours are wrong after a clock change."""

    def quiet(windows: Any, zone: str, at_ms: int) -> int:
        offset = datetime(2026, 1, 1, tzinfo=ZoneInfo(zone)).utcoffset() or timedelta()
        shift_ms = offset // timedelta(milliseconds=1)
        until_ms = quiet_until_ms(windows, "UTC", at_ms + shift_ms)
        return until_ms - shift_ms if until_ms else 0

    return patch(f"{_PRECEDENCE}.quiet_until_ms", quiet)


def quiet_an_hour_longer() -> AbstractContextManager[Any]:
    """Hold mail for an hour after the end of quiet hours."""

    def later(windows: Any, zone: str, at_ms: int) -> int:
        until_ms = quiet_until_ms(windows, zone, at_ms) or quiet_until_ms(windows, zone, at_ms - HOUR_MS)
        return until_ms + HOUR_MS if until_ms else 0

    return patch(f"{_PRECEDENCE}.quiet_until_ms", later)


def no_limit() -> AbstractContextManager[Any]:
    """Count nothing."""

    async def apply(
        self: Allowances, checked: Sequence[RecheckedDelivery], now_ms: int
    ) -> list[RecheckedDelivery]:
        return list(checked)

    return patch.object(Allowances, "apply", apply)


def fixed_hours() -> AbstractContextManager[Any]:
    """Count mails by the hour of the clock, so that twice as many go within an hour."""
    original = FakeMailLimits._take

    def take(self: FakeMailLimits, mail: Any, now_ms: int) -> int:
        for (recipient, _), scope in self.scopes.items():
            if recipient == mail.recipient:
                scope.counted = {d: at for d, at in scope.counted.items() if at >= now_ms - now_ms % HOUR_MS}
        return original(self, mail, now_ms)

    return patch.object(FakeMailLimits, "_take", take)


def unclaimed_items() -> AbstractContextManager[Any]:
    """Send a digest without moving its items to `digested` first."""

    async def claim(self: DigestBatch, ids: Iterable[str]) -> set[str]:
        return set()

    return patch.object(DigestBatch, "claim", claim)


def open_windows() -> AbstractContextManager[Any]:
    """Leave windows open while their digests are sent: what comes then is removed with them."""

    async def seal(self: FakeDigestWindows, digests: Sequence[Delivery]) -> Sequence[int]:
        return await self.sizes([(digest.recipient, digest.id) for digest in digests])

    return patch.object(FakeDigestWindows, "seal", seal)


def orphaned_windows() -> AbstractContextManager[Any]:
    """Trust that the item that has opened a window stores its digest."""

    async def left(self: Holds, joined: Any) -> list[HeldDelivery]:
        return []

    return patch.object(Holds, "_left", left)


def unscheduled() -> AbstractContextManager[Any]:
    """Ignore the time at which an event is to be delivered."""
    faults = ExitStack()
    for place in (_PRECEDENCE, "service.pipeline.inbox.stage"):
        faults.enter_context(patch(f"{place}.hold_scheduled", lambda *_: None))
    return faults


def late_inbox() -> AbstractContextManager[Any]:
    """Hold inbox entries in quiet hours, as mail."""

    def hold(delivery: Delivery, now_ms: int) -> Decision | None:
        if (scheduled := hold_scheduled(delivery, now_ms)) is not None:
            return scheduled
        is_night = datetime.fromtimestamp(now_ms / 1000, UTC).hour < 6
        until_ms = now_ms + HOUR_MS
        return Decision(State.held, Reason.quiet_hours, "", until_ms) if is_night else None

    return patch("service.pipeline.inbox.stage.hold_scheduled", hold)


def mailed_though_read() -> AbstractContextManager[Any]:
    """Do not look into the inbox."""

    async def read(*_: Any, **__: Any) -> set[str]:
        return set()

    return patch("service.pipeline.email.recheck._read_in_inbox", read)


def old_choices() -> AbstractContextManager[Any]:
    """Leave what is held as it is when a row changes."""

    async def hasten(self: FakeDueSet, delivery_ids: Collection[str], at_ms: int) -> int:
        return 0

    return patch.object(FakeDueSet, "hasten", hasten)


def forgotten_digests() -> AbstractContextManager[Any]:
    """Enter a digest into the ledger, and not into the due set."""

    async def add(due: DueSet, held: Sequence[HeldDelivery], now_ms: int) -> None:
        alone = [one for one in held if one.delivery.type != "digest"]
        if alone:
            await add_to_due_set(due, alone, now_ms)

    return patch("service.pipeline.holds.add_to_due_set", add)


FAULTS = (
    no_quiet_hours,
    winter_time,
    quiet_an_hour_longer,
    no_limit,
    fixed_hours,
    unclaimed_items,
    open_windows,
    orphaned_windows,
    unscheduled,
    late_inbox,
    mailed_though_read,
    old_choices,
    forgotten_digests,
)
