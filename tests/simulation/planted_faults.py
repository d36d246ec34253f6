"""Faults to plant in the product, each of which has been made before: the simulation must find every one."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from typing import Any
from unittest.mock import patch

from service.model.delivery import Delivery
from service.model.ledger import State, TransitionResult, is_open
from service.model.reasons import Reason
from service.pipeline.email.claim import Claimer, ClaimResults
from service.pipeline.email.lease import OwnerLease
from service.pipeline.email.recheck import RecheckedDelivery, recheck
from service.pipeline.email.settle import SettledDelivery
from service.pipeline.email.settled_store import SettledStore
from service.pipeline.resolve.precedence import Decision
from service.ports import Unavailable
from streams.consumer.offset_tracker import OffsetTracker


class OffByOneTracker(OffsetTracker):
    """Faust's off-by-one: one unfinished record at the head is skipped, since the committed offset is the next one."""

    __slots__ = ()

    def finish(self, offset: int) -> None:
        super().finish(offset)
        if self._finished and min(self._finished) - self._open[0] <= 1:
            self.committable = max(self._finished) + 1


def off_by_one_commit() -> AbstractContextManager[Any]:
    """Commit past one unfinished record."""
    return patch("streams.consumer.partition.OffsetTracker", OffByOneTracker)


def lost_update() -> AbstractContextManager[Any]:
    """Give up the ledger update of a message that has left, when Redis is unavailable for a moment."""

    async def store(self: SettledStore, settled: Sequence[SettledDelivery]) -> set[str]:
        with suppress(Unavailable):
            await self._write_transitions(settled)
        self._in_flight.remove(s.delivery.id for s in settled)
        return set()

    return patch.object(SettledStore, "store", store)


def double_send() -> AbstractContextManager[Any]:
    """Treat the claims of another worker as this worker's own."""

    async def take_over(
        self: Claimer, contested: Sequence[tuple[RecheckedDelivery, Any]], claims: ClaimResults
    ) -> None:
        claims.send.extend(checked.delivery for checked, _ in contested)

    return patch.object(Claimer, "_take_over", take_over)


def stale_preference() -> AbstractContextManager[Any]:
    """Read the tables before sending, and follow the decision of stage resolve all the same."""

    async def ignored(deliveries: Sequence[Any], *args: Any, **named: Any) -> list[RecheckedDelivery]:
        await recheck(deliveries, *args, **named)
        return [RecheckedDelivery(d, Decision(State.queued, Reason.none, "")) for d in deliveries]

    return patch("service.pipeline.email.stage.recheck", ignored)


def early_attempt() -> AbstractContextManager[Any]:
    """Claim a deferred delivery by any record of it, before its next attempt is due."""
    faults = ExitStack()
    faults.enter_context(patch("tests.fakes.ledger.WAITING", frozenset()))
    faults.enter_context(patch("service.pipeline.email.claim._is_settled", _is_closed))
    return faults


def _is_closed(delivery: Delivery, result: TransitionResult) -> bool:
    return result.state is not None and not is_open(result.state)


def no_fence() -> AbstractContextManager[Any]:
    """Send what was claimed, however long ago."""
    return patch.object(OwnerLease, "holds", lambda lease: lease._until_s is not None)


def lost_claim_ended() -> AbstractContextManager[Any]:
    """Write the result of a claim that another worker has taken over meanwhile."""
    return patch.object(SettledStore, "_ending_claim", lambda _, transition: transition)


FAULTS = (
    off_by_one_commit,
    lost_update,
    double_send,
    stale_preference,
    early_attempt,
    no_fence,
    lost_claim_ended,
)
