"""The email stage: deliveries are rechecked, rendered, submitted to a relay, claimed, sent, and settled.

1. Decode the batch; records without a delivery, and of a type that is not declared, become dead letters.
2. Recheck what may have changed since resolve (`recheck`), read the items of digests (`digest_batch`), and take room
   within the recipients' limits (`allowances`). What is held until a time is stored, and its record finished.
3. Look at the ledger: finish the records of deliveries that are closed or settled already (`claim`).
4. Render the messages and submit them. A template that fails makes its delivery `dead`.
5. When a connection is about to send messages, the transport has them claimed: `sending` is written under an owner
   epoch (`batch_claims`). A message that may not be sent, or whose lease is over before it is, comes back unsent.
6. As results arrive: store the next attempt, the ledger's transition and the suppression, then release the claim.
7. Yield the outcomes and finish the records. Messages that no relay took keep their records unfinished.
8. Repeat from 2 for deliveries that must be rendered again, whose lease was over, or that another owner is sending.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from service.model.blocks.suppression import Suppression
from service.model.catalogue import Catalogue
from service.model.delivery import Delivery
from service.model.event import InvalidEvent
from service.model.holds.digest import digest_id, is_digest
from service.model.ids import address_key
from service.model.ledger import UNCLAIMED, WAITING, State, Transition, is_open
from service.model.mail import SendStatus
from service.model.reasons import DeadReason, Reason, SendReason
from service.model.record import Done, Message, Record
from service.model.topics import TopicNames
from service.pipeline.delivery_batch import DeliveryBatch
from service.pipeline.email.allowances import Allowances
from service.pipeline.email.batch_claims import BatchClaims
from service.pipeline.email.claim import Claimer, ClaimResults
from service.pipeline.email.composition import Composer
from service.pipeline.email.digest_batch import DigestBatch
from service.pipeline.email.in_flight import InFlight
from service.pipeline.email.recheck import RecheckedDelivery, recheck, with_changed_rows
from service.pipeline.email.results import DeliveryResult, SendResults
from service.pipeline.email.settle import SettledDelivery, settle
from service.pipeline.email.settled_store import SettledStore, suppression_of
from service.pipeline.email.soft_bounces import SoftBounceScorer
from service.pipeline.holds import Holds
from service.pipeline.messages import dead_letter, outcome_message
from service.pipeline.resolve.precedence import Decision
from service.ports import (
    Clock,
    DigestWindows,
    DueSet,
    Inbox,
    Ledger,
    MailTransport,
    Renderer,
    SoftBounceScores,
    SupersedeIndex,
    Tables,
    TableWrites,
    Unavailable,
    Workers,
)

_WAIT_FOR_OWNER_S = 0.5
_STOPPING = "the worker is stopping"
_NO_REFUSAL = frozenset({SendReason.unclaimed, SendReason.closing})
_StoredGroup = tuple[list[SettledDelivery], set[str]]
"""Settled deliveries, and the ids of those whose transition the ledger refused."""


@dataclass(frozen=True, slots=True)
class EmailPorts:
    """The ports of the email stage."""

    tables: Tables
    writes: TableWrites
    ledger: Ledger
    supersedes: SupersedeIndex
    inbox: Inbox
    scores: SoftBounceScores
    due: DueSet
    workers: Workers
    transport: MailTransport
    renderer: Renderer
    windows: DigestWindows
    clock: Clock


class EmailHandler:
    """The handler of the email stage. `sender` returns the envelope's MAIL FROM for a delivery."""

    def __init__(
        self,
        catalogue: Catalogue,
        ports: EmailPorts,
        topics: TopicNames,
        *,
        owner: str,
        sender: Callable[[Delivery], str],
        headers: Callable[[Delivery], Mapping[str, str]],
        preferences_url: Callable[[Delivery], str] = lambda _: "",
        allowances: Allowances,
        rng: random.Random | None = None,
        in_flight: InFlight | None = None,
    ) -> None:
        self._catalogue = catalogue
        self._ports = ports
        self._topics = topics
        self._composer = Composer(ports.renderer, sender, headers, preferences_url)
        self._soft = SoftBounceScorer(ports.scores, ports.tables, ports.writes, topics, ports.clock)
        self._rng = rng or random.Random()
        self._storing: set[asyncio.Task[None]] = set()
        self._in_flight = in_flight or InFlight(owner, ports.clock)
        self._allowances = allowances
        self._claimer = Claimer(
            catalogue,
            ports.ledger,
            ports.workers,
            ports.due,
            Holds(ports.due, ports.windows, ports.ledger, topics, ports.clock),
            clock=ports.clock,
            in_flight=self._in_flight,
        )
        self._settled = SettledStore(
            catalogue, ports.ledger, ports.due, ports.writes, clock=ports.clock, in_flight=self._in_flight
        )

    async def __call__(self, records: Sequence[Record]) -> AsyncIterator[Done]:
        """Finish records as results arrive. Raise Unavailable for those whose messages no relay took."""
        batch = await DeliveryBatch.read(records, self._catalogue, self._topics.dead_letter, "email")
        now_ms = self._ports.clock.now_ms()
        await self._allowances.release(
            await batch.end_undeclared(self._ports.ledger, self._topics, "email", now_ms)
        )
        if batch.refused.records:
            yield batch.refused
        pending = list(batch.deliveries.values())
        digests = DigestBatch(
            self._catalogue,
            self._ports.windows,
            self._ports.ledger,
            self._recheck_items,
            topics=self._topics,
            clock=self._ports.clock,
        )
        recheck = partial(self._recheck, digests)
        while pending:
            checked_s = self._ports.clock.boot_s()
            checked = await recheck(pending)
            looked = await self._claimer.look(checked)
            await self._hasten_changed(checked, looked)
            yield await self._finish_closed(batch, digests, looked)
            claims = BatchClaims(
                self._claimer, recheck, digests, checked, clock=self._ports.clock, checked_s=checked_s
            )
            async for done in self._send(batch, digests, looked.send, claims):
                yield done
            waiting = [c.delivery for c in (*looked.wait, *claims.results.wait)]
            pending = waiting + claims.again
            if waiting:
                if self._ports.transport.closing:
                    raise Unavailable(_STOPPING)
                await asyncio.sleep(_WAIT_FOR_OWNER_S)

    async def _hasten_changed(self, checked: Sequence[RecheckedDelivery], looked: ClaimResults) -> None:
        """Make those due now whose recipient's row changed before they were held: the change has missed them."""
        held = {one.delivery.id: one.transition for one in looked.closed if one.next_ms}
        if not held:
            return
        changed = await with_changed_rows([c for c in checked if c.delivery.id in held], self._ports.tables)
        if changed:
            moves = [held[c.delivery.id] for c in changed]
            ids = [
                digest_id(one.to, one.detail) or one.delivery for one in moves
            ]  # an item waits with its digest
            await self._ports.due.hasten(ids, self._ports.clock.now_ms())

    async def _recheck(self, digests: DigestBatch, deliveries: Sequence[Delivery]) -> list[RecheckedDelivery]:
        """Recheck before each look, also after a wait, since rows may have changed during it."""
        now_ms = self._ports.clock.now_ms()
        together = [delivery for delivery in deliveries if is_digest(delivery)]
        alone = [delivery for delivery in deliveries if not is_digest(delivery)] if together else deliveries
        checked = await self._recheck_rows(alone, now_ms) if alone else []
        checked += await digests.look(together, now_ms)
        # The limit after all other rules, and before windows are sealed: what is held takes no room and no items.
        return await digests.seal(await self._allowances.apply(checked, now_ms), now_ms)

    async def _recheck_items(
        self, items: Sequence[Delivery], events: Collection[str]
    ) -> list[RecheckedDelivery]:
        """Recheck the items of digests. One whose type is not declared any more ends as `dead`."""
        declared = [item for item in items if item.type in self._catalogue]
        checked = iter(await self._recheck_rows(declared, self._ports.clock.now_ms(), events))
        return [
            next(checked) if item.type in self._catalogue else RecheckedDelivery(item, _removed(item))
            for item in items
        ]

    async def _recheck_rows(
        self, deliveries: Sequence[Delivery], now_ms: int, together: Collection[str] | None = None
    ) -> list[RecheckedDelivery]:
        return await recheck(
            deliveries,
            self._catalogue,
            self._ports.tables,
            self._ports.supersedes,
            self._ports.inbox,
            now_ms=now_ms,
            together=together,
        )

    async def _finish_closed(self, batch: DeliveryBatch, digests: DigestBatch, claims: ClaimResults) -> Done:
        """Finish the records of deliveries that are not sent now: closed by the claim, held, or settled before."""
        await self._settled.note_held([(one.delivery, one.transition) for one in claims.closed])
        messages = [
            outcome_message(self._topics, one.delivery, one.transition, next_ms=one.next_ms)
            for one in claims.closed
        ]
        messages += claims.messages
        messages += [message for d in claims.settled for message in await self._re_emit(d)]
        ends = {one.delivery.id: one.transition for one in claims.closed if not is_open(one.transition.to)}
        await self._allowances.release(one.delivery for one in claims.closed if one.delivery.id in ends)
        settled = [delivery.id for delivery in claims.settled]
        ended = await digests.finish([*ends, *settled], ends, settled)
        finished = [one.delivery.id for one in claims.closed] + settled
        return Done(batch.records_of(finished), [*messages, *ended.messages], ended.then)

    async def _send(
        self,
        batch: DeliveryBatch,
        digests: DigestBatch,
        deliveries: Sequence[Delivery],
        claims: BatchClaims,
    ) -> AsyncIterator[Done]:
        """Submit messages, and finish the records of those that were sent or need not be.

        Raise Unavailable when some are left that no relay took, and the error of a claim that failed.
        """
        by_id = {delivery.id: delivery for delivery in deliveries}
        messages, failed = await self._composer.compose(deliveries, digests)
        if failed:
            yield await self._dead_letter(batch, digests, failed)
        futures = {m.delivery_id: self._ports.transport.submit(m, claims) for m in messages}
        # Records are finished only once their results are stored: a commit before that could leave a delivery
        # `sending` for ever, with no record to settle it.
        try:
            async for settled, refused in self._stored_groups(by_id, SendResults(futures), claims):
                applied = [s for s in settled if s.delivery.id not in refused]
                digests.count_sent(s.delivery.id for s in applied if s.result.status is SendStatus.accepted)
                ended = await digests.finish(
                    s.delivery.id for s in applied if s.result.status is not SendStatus.unsent
                )
                done = self._finish(batch, applied, await self._soft.count_settled(applied))
                yield done._replace(messages=[*done.messages, *ended.messages], then=ended.then)
                for s in settled:
                    if s.delivery.id in refused and s.result.status is not SendStatus.unsent:
                        yield Done(batch.records_of([s.delivery.id]), await self._re_emit(s.delivery))
        finally:
            # Cut off, perhaps: what is claimed is sent and stored all the same; nothing more is claimed.
            begun = claims.end()
            for delivery_id, future in futures.items():
                if delivery_id not in begun:
                    future.cancel()
        yield await self._finish_closed(batch, digests, claims.results)
        if claims.error is not None:
            raise claims.error
        if claims.unfinished():
            raise Unavailable(_STOPPING if self._ports.transport.closing else "no relay takes mail")

    async def _stored_groups(
        self, by_id: Mapping[str, Delivery], results: SendResults, claims: BatchClaims
    ) -> AsyncIterator[_StoredGroup]:
        """Yield settled deliveries once they are stored, and those the ledger refused: another worker was faster.

        Storing is a task of its own, which outlives a batch that is cancelled: the messages are out, their claims have
        a heartbeat, and so no other worker would settle them.
        """
        groups: asyncio.Queue[_StoredGroup | None] = asyncio.Queue()

        async def store() -> None:
            async for group in results.groups():
                if settled := self._settle(by_id, await self._with_claim(group, claims)):
                    groups.put_nowait((settled, await self._settled.store(settled)))
                await self._sort_unsent(group, by_id, claims)

        storing = asyncio.create_task(store())
        self._storing.add(storing)
        storing.add_done_callback(self._storing.discard)
        storing.add_done_callback(lambda _: groups.put_nowait(None))
        while (stored := await groups.get()) is not None:
            yield stored
        storing.result()

    async def _with_claim(self, group: Sequence[DeliveryResult], claims: BatchClaims) -> list[DeliveryResult]:
        """Return the results of claimed deliveries, and of those that need no relay once they are claimed too."""
        decided = [
            id_
            for id_, result in group
            if result.status is not SendStatus.unsent and not claims.is_claimed(id_)
        ]
        if decided:
            await claims.claim_deliveries(decided)
        return [(id_, result) for id_, result in group if claims.is_claimed(id_)]

    async def _sort_unsent(
        self, group: Sequence[DeliveryResult], by_id: Mapping[str, Delivery], claims: BatchClaims
    ) -> None:
        """Sort messages that were not sent: those whose lease was over are claimed again, the others wait for a relay.

        The ledger says so of those that were never claimed, best effort: nothing depends on it.
        """
        refused: list[DeliveryResult] = []
        for id_, result in group:
            if result.reason is Reason.lease_over:
                claims.again.append(by_id[id_])
            elif result.status is SendStatus.unsent or not claims.is_claimed(id_):
                claims.unsent.append(id_)
                if not claims.is_claimed(id_) and result.reason not in _NO_REFUSAL:
                    refused.append((id_, result))
        if refused:
            notes = [s.transition._replace(held_by=UNCLAIMED) for s in self._settle(by_id, refused)]
            with suppress(Unavailable):
                await self._ports.ledger.transition(notes)

    async def _dead_letter(
        self, batch: DeliveryBatch, digests: DigestBatch, failed: Mapping[str, Exception]
    ) -> Done:
        """Write `dead` to the ledger and a dead letter for each delivery that cannot be rendered."""
        now_ms = self._ports.clock.now_ms()
        transitions = [
            Transition(batch.deliveries[id_].event, id_, State.dead, Reason.render_failed, now_ms)
            for id_ in failed
        ]
        await self._ports.ledger.transition(transitions)
        messages = [
            outcome_message(self._topics, batch.deliveries[transition.delivery], transition)
            for transition in transitions
        ]
        for id_, error in failed.items():
            invalid = InvalidEvent(DeadReason.render_failed, str(error))
            messages.append(dead_letter(self._topics.dead_letter, "email", batch.records[id_][0], invalid))
        ended = await digests.finish(failed, {one.delivery: one for one in transitions})
        return Done(batch.records_of(failed), [*messages, *ended.messages], ended.then)

    def _settle(
        self, by_id: Mapping[str, Delivery], group: Sequence[DeliveryResult]
    ) -> list[SettledDelivery]:
        now_ms = self._ports.clock.now_ms()
        return [
            settle(by_id[id_], self._catalogue[by_id[id_].type], result, now_ms, self._rng)
            for id_, result in group
        ]

    def _finish(
        self, batch: DeliveryBatch, settled: Sequence[SettledDelivery], score_messages: Sequence[Message]
    ) -> Done:
        """Finish the records of settled deliveries. Those that no relay took stay unfinished, so they stay in Kafka."""
        final = [s for s in settled if s.result.status is not SendStatus.unsent]
        messages = [
            outcome_message(self._topics, s.delivery, s.transition, s.result, s.next_ms) for s in final
        ]
        messages += [self._suppression_message(*suppression_of(s)) for s in final if s.result.suppress]
        messages += score_messages
        return Done(batch.records_of([s.delivery.id for s in final]), messages)

    async def _re_emit(self, delivery: Delivery) -> list[Message]:
        """Return the outcome of a delivery that was settled before: it may have been lost with a worker."""
        entry = await self._ports.ledger.entry(delivery.event, delivery.id)
        if entry is None:  # the ledger held it a moment ago: read the record again
            raise Unavailable("redis: a delivery has left the ledger while it was settled")
        if entry.state is State.sending:
            return []
        step = entry.newest_step
        (next_ms,) = await self._ports.due.times([delivery.id]) if step.state in WAITING else (None,)
        transition = Transition(
            delivery.event, delivery.id, step.state, step.reason, step.at_ms, step.attempt, step.detail
        )
        messages = [outcome_message(self._topics, delivery, transition, None, next_ms or 0)]
        if step.state is State.bounced and (row := await self._ports.tables.suppression(delivery.address)):
            messages.append(self._suppression_message(address_key(delivery.address), row))
        return messages

    def _suppression_message(self, key: str, row: Suppression) -> Message:
        return Message(self._topics.table("suppressions"), key.encode(), row.to_bytes())


def _removed(item: Delivery) -> Decision:
    return Decision(State.dead, Reason.type_removed, item.type)
