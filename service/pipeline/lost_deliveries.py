"""Deliveries whose dispatch record has no entry in the ledger: their state was lost, or its retention is over."""

from collections.abc import Mapping, Sequence

import structlog

from service.model.catalogue import Catalogue
from service.model.delivery import Delivery
from service.model.ledger import NewEntry, State, TransitionResult
from service.model.reasons import Reason
from service.observability.metrics import LOST_DELIVERIES
from service.pipeline.from_log import event_of
from service.ports import Clock, EventHead, Ledger

log = structlog.get_logger(__name__)


class LostDeliveries:
    """Enters deliveries again from their records. Each is counted and logged: none is finished in silence.

    An entry is written before its record, and kept at least for its type's retention from the time that Kafka received
    the event. So an entry that is missing within the retention was lost, and what it said is unknown. After the
    retention it may have expired in the ordinary way, with the message sent long ago: entering it again would send
    the message a second time.
    """

    def __init__(self, catalogue: Catalogue, ledger: Ledger, clock: Clock) -> None:
        self._catalogue = catalogue
        self._ledger = ledger
        self._clock = clock

    async def enter_missing(
        self, deliveries: Sequence[Delivery], results: Sequence[TransitionResult]
    ) -> Mapping[int, State | None]:
        """Enter the deliveries that the ledger does not hold by these results: as queued, with the reason `state_lost`.

        Return their states by their places in `deliveries`: None for one whose retention is over, which is not entered.
        Another worker may have entered one meanwhile, and an event that was withdrawn enters its deliveries as
        withdrawn. Raise Unavailable.
        """
        missing = [i for i, result in enumerate(results) if result.state is None]
        states = await self._enter([deliveries[i] for i in missing]) if missing else ()
        return dict(zip(missing, states, strict=True))

    async def _enter(self, deliveries: Sequence[Delivery]) -> Sequence[State | None]:
        now_ms = self._clock.now_ms()
        left_s = [self._left_s(delivery, now_ms) for delivery in deliveries]
        lost = [(d, s) for d, s in zip(deliveries, left_s, strict=True) if s > 0]
        states: Sequence[State] = ()
        if lost:
            heads = [EventHead(event_of(delivery), seconds) for delivery, seconds in lost]
            states = await self._ledger.open(
                heads,
                [
                    NewEntry.of_delivery(delivery, State.queued, Reason.state_lost, now_ms)
                    for delivery, _ in lost
                ],
            )
        self._report(deliveries, {delivery.id for delivery, _ in lost})
        by_id = {delivery.id: state for (delivery, _), state in zip(lost, states, strict=True)}
        return [by_id.get(delivery.id) for delivery in deliveries]

    def _left_s(self, delivery: Delivery, now_ms: int) -> int:
        """Return how long the ledger keeps an event from now on, in seconds; 0 once its retention is over."""
        notification_type = self._catalogue.of_delivery(delivery.type)
        kept_s = notification_type.kept_s if notification_type else 0
        from_ms = max(delivery.received_ms, delivery.deliver_ms)
        return max(0, -(-(from_ms + kept_s * 1000 - now_ms) // 1000))

    def _report(self, deliveries: Sequence[Delivery], entered: set[str]) -> None:
        for delivery in deliveries:
            LOST_DELIVERIES.add((delivery.channel, "entered" if delivery.id in entered else "retention_over"))
        log.warning(
            "deliveries_lost",
            channel=deliveries[0].channel,
            entered=len(entered),
            retention_over=len(deliveries) - len(entered),
            first=deliveries[0].id,
        )
