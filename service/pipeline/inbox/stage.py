"""Inbox: deliveries become entries that a recipient can read."""

from collections.abc import AsyncIterator, Sequence

from service.model.catalogue import Catalogue
from service.model.delivery import Delivery
from service.model.event import InvalidEvent
from service.model.ledger import State, Transition, TransitionResult
from service.model.reasons import DeadReason, Reason
from service.model.record import Done, Message, Record
from service.model.topics import TopicNames
from service.pipeline.delivery_batch import DeliveryBatch
from service.pipeline.messages import dead_letter, outcome_message
from service.ports import Clock, Inbox, InboxItem, Ledger, Renderer, RenderFailed


class InboxHandler:
    """The handler of the inbox stage."""

    def __init__(  # noqa: PLR0917 - the ports, in the order of their use
        self,
        catalogue: Catalogue,
        inbox: Inbox,
        ledger: Ledger,
        renderer: Renderer,
        topics: TopicNames,
        clock: Clock,
    ) -> None:
        self._catalogue = catalogue
        self._inbox = inbox
        self._ledger = ledger
        self._renderer = renderer
        self._topics = topics
        self._clock = clock

    async def __call__(self, records: Sequence[Record]) -> AsyncIterator[Done]:
        """Add, then tell the ledger. An entry that the ledger refuses, a withdrawn one, is taken out again."""
        batch = DeliveryBatch(records, self._topics.dead_letter, "inbox")
        now = self._clock.now_ms()
        items: list[InboxItem] = []
        transitions: list[Transition] = []
        letters: list[Message] = list(batch.refused.messages)
        for delivery in batch.deliveries.values():
            state, reason = State.delivered, Reason.none
            if delivery.deadline_ms <= now:
                state, reason = State.expired, Reason.past_deadline
            else:
                try:
                    items.append(inbox_item(delivery, self._catalogue, self._renderer))
                except RenderFailed as error:
                    state, reason = State.dead, Reason.render_failed
                    failed = InvalidEvent(DeadReason.render_failed, str(error))
                    record = batch.records[delivery.id][0]
                    letters.append(dead_letter(self._topics.dead_letter, "inbox", record, failed))
            transitions.append(Transition(delivery.event, delivery.id, state, reason, now))
        if items:
            await self._inbox.add(items)
        results = await self._ledger.transition(transitions) if transitions else []
        await self._take_back(batch, transitions, results)
        yield Done(records, [*letters, *self._outcomes(batch, transitions, results)])

    async def _take_back(
        self, batch: DeliveryBatch, transitions: Sequence[Transition], results: Sequence[TransitionResult]
    ) -> None:
        """What the ledger calls anything but delivered is in no inbox, also where a rebuild has put it there."""
        of_recipient: dict[str, list[str]] = {}
        for transition, result in zip(transitions, results, strict=True):
            if result.state is not State.delivered:
                of_recipient.setdefault(batch.deliveries[transition.delivery].recipient, []).append(
                    transition.delivery
                )
        for recipient, ids in of_recipient.items():
            await self._inbox.remove(recipient, ids)

    def _outcomes(
        self, batch: DeliveryBatch, transitions: Sequence[Transition], results: Sequence[TransitionResult]
    ) -> list[Message]:
        """Also what was told before, since its telling may have been lost with a worker: as it was."""
        told = [
            transition._replace(to=State.delivered, reason=Reason.none)
            if not result.applied and result.state is State.delivered
            else transition
            for transition, result in zip(transitions, results, strict=True)
            if result.applied or result.state in (transition.to, State.delivered)
        ]
        return [
            outcome_message(self._topics, batch.deliveries[transition.delivery], transition)
            for transition in told
        ]


def inbox_item(delivery: Delivery, catalogue: Catalogue, renderer: Renderer) -> InboxItem:
    """The entry that a delivery becomes. Raises RenderFailed, and KeyError for a type that there is not."""
    row = catalogue[delivery.type]
    return InboxItem(
        id=delivery.id,
        recipient=delivery.recipient,
        type=delivery.type,
        number=row.number or 0,
        created_ms=delivery.created_ms,
        meta=delivery.data,
        line=renderer.inbox_line(delivery),
        event=delivery.event,
        expires_ms=delivery.received_ms + row.inbox_ttl * 1000,
    )
