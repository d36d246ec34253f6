"""The inbox stage: deliveries become entries that a recipient can read.

1. Decode the batch; records without a delivery, and of a type that is not declared, become dead letters.
2. Store those in the due set whose time has not come. Render an entry of each other one that has not expired.
3. Add the entries to the inboxes.
4. Write the transitions, mostly to `delivered`, to the ledger.
5. Enter deliveries that the ledger does not hold, and write theirs.
6. Remove the entries of deliveries that the ledger refused, as withdrawn ones.
7. Yield the outcomes and finish the records.
"""

from collections.abc import AsyncIterator, Mapping, Sequence

from service.model.catalogue import Catalogue
from service.model.delivery import Delivery
from service.model.event import InvalidEvent
from service.model.ledger import State, Transition, TransitionResult
from service.model.reasons import DeadReason, Reason
from service.model.record import Done, Message, Record
from service.model.topics import TopicNames
from service.pipeline.delivery_batch import DeliveryBatch
from service.pipeline.holds import HeldDelivery, add_to_due_set
from service.pipeline.lost_deliveries import LostDeliveries
from service.pipeline.messages import dead_letter, outcome_message
from service.pipeline.resolve.precedence import hold_scheduled
from service.ports import Clock, DueSet, Inbox, InboxItem, Ledger, Renderer, RenderFailed
from service.ports.turns import Turns

_STORED = frozenset({State.delivered, State.held})


class InboxHandler:
    """The handler of the inbox stage."""

    def __init__(
        self,
        catalogue: Catalogue,
        inbox: Inbox,
        ledger: Ledger,
        renderer: Renderer,
        *,
        due: DueSet,
        topics: TopicNames,
        clock: Clock,
    ) -> None:
        self._due = due
        self._catalogue = catalogue
        self._inbox = inbox
        self._ledger = ledger
        self._lost = LostDeliveries(catalogue, ledger, clock)
        self._renderer = renderer
        self._topics = topics
        self._clock = clock

    async def __call__(self, records: Sequence[Record]) -> AsyncIterator[Done]:
        """Add entries, then write the ledger, then remove the entries that it refused."""
        batch = await DeliveryBatch.read(records, self._catalogue, self._topics.dead_letter, "inbox")
        now_ms = self._clock.now_ms()
        await batch.end_undeclared(self._ledger, self._topics, "inbox", now_ms)
        held = {
            delivery.id: HeldDelivery(delivery, decision)
            for delivery in batch.deliveries.values()
            if (decision := hold_scheduled(delivery, now_ms)) is not None and delivery.deadline_ms > now_ms
        }
        await add_to_due_set(self._due, list(held.values()), now_ms)
        items: list[InboxItem] = []
        transitions: list[Transition] = []
        dead_letters: list[Message] = list(batch.refused.messages)
        turns = Turns()
        for delivery in batch.deliveries.values():
            await turns.worked(len(batch.records[delivery.id][0].value or b""))
            state, reason = State.delivered, Reason.none
            if delivery.id in held:
                state, reason = State.held, held[delivery.id].decision.reason
            elif delivery.deadline_ms <= now_ms:
                state, reason = State.expired, Reason.past_deadline
            else:
                try:
                    items.append(inbox_item(delivery, self._catalogue, self._renderer))
                except RenderFailed as error:
                    state, reason = State.dead, Reason.render_failed
                    failed = InvalidEvent(DeadReason.render_failed, str(error))
                    record = batch.records[delivery.id][0]
                    dead_letters.append(dead_letter(self._topics.dead_letter, "inbox", record, failed))
            transitions.append(Transition(delivery.event, delivery.id, state, reason, now_ms))
        # The entry before the ledger. In the other order, a withdrawal between the two would find no entry to remove,
        # and the entry added after it would stay. If the worker dies between, the record meets the same entry again.
        if items:
            await self._inbox.add(items)
        results = list(await self._ledger.transition(transitions)) if transitions else []
        await self._enter_lost(batch, transitions, results)
        # Removal after the refusal: only the ledger knows of a withdrawal that came before the entry was added.
        await self._remove_refused(batch, transitions, results)
        until_ms = {id_: one.decision.until_ms for id_, one in held.items()}
        yield Done(records, [*dead_letters, *self._outcomes(batch, transitions, results, until_ms)])

    async def _enter_lost(
        self, batch: DeliveryBatch, transitions: Sequence[Transition], results: list[TransitionResult]
    ) -> None:
        """Enter deliveries that the ledger does not hold, and make their transitions; put the results in their places.

        An entry is in an inbox once, however often it is added. So one whose retention in the ledger is over counts as
        delivered, too.
        """
        deliveries = [batch.deliveries[transition.delivery] for transition in transitions]
        entered = list[int]()
        for i, state in (await self._lost.enter_missing(deliveries, results)).items():
            if state is None:
                results[i] = TransitionResult(True, transitions[i].to)
            else:
                entered.append(i)
        if entered:
            again = await self._ledger.transition([transitions[i] for i in entered])
            for i, result in zip(entered, again, strict=True):
                results[i] = result

    async def _remove_refused(
        self, batch: DeliveryBatch, transitions: Sequence[Transition], results: Sequence[TransitionResult]
    ) -> None:
        """Remove the entries of deliveries that are not `delivered`, also where a rebuild has added them."""
        ids_by_recipient: dict[str, list[str]] = {}
        for transition, result in zip(transitions, results, strict=True):
            if result.state not in _STORED:
                recipient = batch.deliveries[transition.delivery].recipient
                ids_by_recipient.setdefault(recipient, []).append(transition.delivery)
        for recipient, ids in ids_by_recipient.items():
            await self._inbox.remove(recipient, ids)

    def _outcomes(
        self,
        batch: DeliveryBatch,
        transitions: Sequence[Transition],
        results: Sequence[TransitionResult],
        until_ms: Mapping[str, int],
    ) -> list[Message]:
        """Return the outcomes, also of deliveries settled before: their outcomes may have been lost with a worker.

        A delivery that was `delivered` before is reported as that, whatever this batch would make of it.
        """
        settled = [
            transition._replace(to=State.delivered, reason=Reason.none)
            if not result.applied and result.state is State.delivered
            else transition
            for transition, result in zip(transitions, results, strict=True)
            if result.applied or result.state in (transition.to, State.delivered)
        ]
        return [
            outcome_message(
                self._topics,
                batch.deliveries[transition.delivery],
                transition,
                next_ms=until_ms.get(transition.delivery, 0) if transition.to is State.held else 0,
            )
            for transition in settled
        ]


def inbox_item(delivery: Delivery, catalogue: Catalogue, renderer: Renderer) -> InboxItem:
    """Return the inbox entry of a delivery. Raise RenderFailed, and KeyError for a type that is not declared."""
    notification_type = catalogue[delivery.type]
    return InboxItem(
        id=delivery.id,
        recipient=delivery.recipient,
        type=delivery.type,
        number=notification_type.number or 0,
        created_ms=delivery.created_ms,
        meta=delivery.data,
        line=renderer.inbox_line(delivery),
        event=delivery.event,
        expires_ms=delivery.received_ms + notification_type.inbox_ttl_s * 1000,
        brand=renderer.brand_key(delivery),
    )
