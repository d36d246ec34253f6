"""Faults to plant, each one that somebody has really made: the simulation must find every one."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, suppress
from typing import Any
from unittest.mock import patch

from service.model.ledger import State
from service.model.reasons import Reason
from service.pipeline.email.claim import Claimer, ClaimResults
from service.pipeline.email.recheck import RecheckedDelivery, recheck
from service.pipeline.email.settle import SettledDelivery
from service.pipeline.email.stage import EmailHandler
from service.pipeline.resolve.precedence import Decision
from service.ports import Unavailable
from streams.consumer.offset_tracker import OffsetTracker


class OneHolePasses(OffsetTracker):
    """Faust's off-by-one: the committed offset is the next one, so one unfinished record at the head is overlooked."""

    __slots__ = ()

    def finish(self, offset: int) -> None:
        super().finish(offset)
        if self._finished and min(self._finished) - self._open[0] <= 1:
            self.committable = max(self._finished) + 1


def off_by_one_commit() -> AbstractContextManager[Any]:
    """Commits past one unfinished record."""
    return patch("streams.consumer.partition.OffsetTracker", OneHolePasses)


def lost_mark() -> AbstractContextManager[Any]:
    """Gives up the mark of a mail that is out when Redis is away for a moment."""

    async def store(self: EmailHandler, settled: Sequence[SettledDelivery]) -> set[str]:
        with suppress(Unavailable):
            await self._write_transitions([s.transition for s in settled])
        self._in_flight.remove(s.delivery.id for s in settled)
        return set()

    return patch.object(EmailHandler, "_store", store)


def double_send() -> AbstractContextManager[Any]:
    """Takes the claim of another worker for its own."""

    async def adopt(
        self: Claimer, orphans: Sequence[tuple[RecheckedDelivery, Any]], claims: ClaimResults
    ) -> None:
        claims.send.extend(checked.delivery for checked, _ in orphans)

    return patch.object(Claimer, "_take_over", adopt)


def stale_preference() -> AbstractContextManager[Any]:
    """Looks at the tables again before sending, and goes by what resolve thought."""

    async def ignored(deliveries: Sequence[Any], *args: Any, **named: Any) -> list[RecheckedDelivery]:
        await recheck(deliveries, *args, **named)
        return [RecheckedDelivery(d, Decision(State.queued, Reason.none, "")) for d in deliveries]

    return patch("service.pipeline.email.stage.recheck", ignored)


def tried_early() -> AbstractContextManager[Any]:
    """Claims what waits for its next attempt by whatever record of it comes."""
    return patch("tests.fakes.ledger._WAITING", frozenset())


FAULTS = (off_by_one_commit, lost_mark, double_send, stale_preference, tried_early)
