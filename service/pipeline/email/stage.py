"""Email: deliveries are looked at once more, claimed, rendered, handed to a relay, and marked."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from service.model.catalogue import Catalogue
from service.model.delivery import Delivery
from service.model.event import InvalidEvent
from service.model.ids import address_key
from service.model.ledger import State, Transition, sources_of
from service.model.mail import OutgoingMail, SendStatus
from service.model.reasons import DeadReason, Reason
from service.model.record import Done, Message, Record
from service.model.suppression import Suppression, suppression
from service.model.topics import TopicNames
from service.pipeline.delivery_batch import DeliveryBatch
from service.pipeline.email.claim import Claimer, ClaimResults
from service.pipeline.email.in_flight import InFlight
from service.pipeline.email.recheck import RecheckedDelivery, recheck
from service.pipeline.email.results import Answer, SendResults
from service.pipeline.email.settle import SettledDelivery, settle
from service.pipeline.email.soft_bounces import SoftBounceScorer
from service.pipeline.messages import dead_letter, outcome_message
from service.ports import (
    Clock,
    DueSet,
    Inbox,
    Ledger,
    MailTransport,
    Renderer,
    RenderFailed,
    SoftBounceScores,
    SupersedeIndex,
    Tables,
    TableWrites,
    Unavailable,
    Workers,
)

_WAIT_FOR_OWNER_S = 0.5
_Group = tuple[list[SettledDelivery], set[str]]
_CLAIMABLE = sources_of(State.sending)
_WAITING = frozenset({State.deferred, State.ambiguous})


@dataclass(frozen=True, slots=True)
class EmailPorts:
    """All that the email stage needs from the world."""

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
    clock: Clock


class EmailHandler:
    """The handler of the email stage. `sender` is the envelope's MAIL FROM for a delivery."""

    def __init__(
        self,
        catalogue: Catalogue,
        ports: EmailPorts,
        topics: TopicNames,
        *,
        owner: str,
        sender: Callable[[Delivery], str],
        headers: Callable[[Delivery], Mapping[str, str]],
        rng: random.Random | None = None,
        in_flight: InFlight | None = None,
    ) -> None:
        self._catalogue = catalogue
        self._ports = ports
        self._topics = topics
        self._sender = sender
        self._headers = headers
        self._soft = SoftBounceScorer(ports.scores, ports.tables, ports.writes, topics, ports.clock)
        self._rng = rng or random.Random()
        self._marking: set[asyncio.Task[None]] = set()
        claimed = in_flight or InFlight(owner)
        self._claimer = Claimer(
            catalogue, ports.ledger, ports.workers, ports.due, clock=ports.clock, in_flight=claimed
        )

    async def __call__(self, records: Sequence[Record]) -> AsyncIterator[Done]:
        """Finishes records as their mails are answered. Raises Unavailable for those no relay would take."""
        batch = DeliveryBatch(records, self._topics.dead_letter, "email")
        if batch.refused.records:
            yield batch.refused
        pending = list(batch.deliveries.values())
        while pending:
            claims = await self._claimer.claim(await self._look(pending))
            try:
                yield await self._close(batch, claims)
                async for done in self._send(batch, claims):
                    yield done
            finally:
                if claims.send:  # cut off before their mails were begun
                    self._claimer.in_flight.renew_epoch(delivery.id for delivery in claims.send)
            pending = [checked.delivery for checked in claims.wait]
            if pending:
                await asyncio.sleep(_WAIT_FOR_OWNER_S)

    async def _look(self, deliveries: Sequence[Delivery]) -> list[RecheckedDelivery]:
        """The last look; again after each wait, since what was true before it may be no more."""
        return await recheck(
            deliveries,
            self._catalogue,
            self._ports.tables,
            self._ports.supersedes,
            self._ports.inbox,
            now_ms=self._ports.clock.now_ms(),
        )

    async def _close(self, batch: DeliveryBatch, claims: ClaimResults) -> Done:
        """What needs no mail, now or any more."""
        await self._hold(claims.closed)
        told = [self._outcome(delivery, transition) for delivery, transition in claims.closed]
        told += [m for d in claims.settled for m in await self._retell(d)]
        return Done(batch.finish([d.id for d, _ in claims.closed] + [d.id for d in claims.settled]), told)

    async def _send(self, batch: DeliveryBatch, claims: ClaimResults) -> AsyncIterator[Done]:
        deliveries, unsent = claims.send, list[str]()
        now = self._ports.clock.now_ms()
        if late := [delivery for delivery in deliveries if delivery.deadline_ms <= now]:
            yield await self._expire(batch, late, now)
        by_id = {delivery.id: delivery for delivery in deliveries if delivery.deadline_ms > now}
        mails, broken = self._render(by_id.values())
        if broken:
            yield await self._bury(batch, broken)
        answers = SendResults({mail.delivery_id: self._ports.transport.submit(mail) for mail in mails})
        claims.send = []
        async for settled, overtaken in self._marked(by_id, answers):
            unsent.extend(s.delivery.id for s in settled if s.result.status is SendStatus.unsent)
            stood = [s for s in settled if s.delivery.id not in overtaken]
            yield self._done(batch, stood, await self._soft.settled(stood))
            for s in settled:
                if s.delivery.id in overtaken and s.result.status is not SendStatus.unsent:
                    yield Done(batch.finish([s.delivery.id]), await self._retell(s.delivery))
        if unsent:
            raise Unavailable("no relay takes mail")

    async def _marked(self, by_id: Mapping[str, Delivery], answers: SendResults) -> AsyncIterator[_Group]:
        """Answers, stored, and which of them the ledger would not have, because another worker had been faster.

        A batch that is cancelled leaves this to a task: nobody else may touch what we claim.
        """
        groups: asyncio.Queue[_Group | None] = asyncio.Queue()

        async def mark() -> None:
            async for group in answers.groups():
                settled = self._settle(by_id, group)
                groups.put_nowait((settled, await self._store(settled)))

        marking = asyncio.create_task(mark())
        self._marking.add(marking)
        marking.add_done_callback(self._marking.discard)
        marking.add_done_callback(lambda _: groups.put_nowait(None))
        while (stored := await groups.get()) is not None:
            yield stored
        marking.result()

    def _render(self, deliveries: Iterable[Delivery]) -> tuple[list[OutgoingMail], dict[str, Exception]]:
        mails: list[OutgoingMail] = []
        broken: dict[str, Exception] = {}
        for delivery in deliveries:
            try:
                content = self._ports.renderer.email(delivery, self._headers(delivery))
            except RenderFailed as error:
                broken[delivery.id] = error
            else:
                mails.append(OutgoingMail(delivery.id, self._sender(delivery), delivery.address, content))
        return mails, broken

    async def _expire(self, batch: DeliveryBatch, late: Sequence[Delivery], now: int) -> Done:
        """What was claimed in time, but the claim took too long."""
        transitions = [
            Transition(d.event, d.id, State.expired, Reason.past_deadline, now, d.attempt) for d in late
        ]
        await self._ports.ledger.transition(transitions)
        self._claimer.in_flight.difference_update(d.id for d in late)
        return Done(
            batch.finish([d.id for d in late]),
            [
                self._outcome(delivery, transition)
                for delivery, transition in zip(late, transitions, strict=True)
            ],
        )

    async def _bury(self, batch: DeliveryBatch, broken: Mapping[str, Exception]) -> Done:
        """What cannot be rendered goes to the dead letters, and the ledger says so."""
        now = self._ports.clock.now_ms()
        transitions = [
            Transition(batch.deliveries[name].event, name, State.dead, Reason.render_failed, now)
            for name in broken
        ]
        await self._ports.ledger.transition(transitions)
        self._claimer.in_flight.difference_update(broken)
        messages = [
            self._outcome(batch.deliveries[transition.delivery], transition) for transition in transitions
        ]
        for name, error in broken.items():
            failed = InvalidEvent(DeadReason.render_failed, str(error))
            record = batch.records[name][0]
            messages.append(dead_letter(self._topics.dead_letter, "email", record, failed))
        return Done(batch.finish(list(broken)), messages)

    def _settle(self, by_id: Mapping[str, Delivery], group: Sequence[Answer]) -> list[SettledDelivery]:
        now = self._ports.clock.now_ms()
        return [
            settle(by_id[name], self._catalogue[by_id[name].type], result, now, self._rng)
            for name, result in group
        ]

    async def _store(self, settled: Sequence[SettledDelivery]) -> set[str]:
        """Store what answers mean: when to try again first, then the ledger; the ids of those it refused.

        The mail is out, so this insists for as long as Redis is away: a mark given up is a mail sent twice.
        """
        pause = 0.1
        while True:
            try:
                again = [s for s in settled if s.again_ms]
                if again:
                    later = [s.delivery.model_copy(update={"attempt": s.transition.attempt}) for s in again]
                    states = [s.transition.to for s in again]
                    await self._ports.due.add(later, [s.again_ms for s in again], states)
                await self._hold([s[:2] for s in settled])
                overtaken = await self._mark([s.transition for s in settled])
                for s in settled:
                    if s.result.suppress:
                        await self._ports.writes.put_suppression(*_suppression(s))
            except Unavailable:
                await asyncio.sleep(pause)
                pause = min(2.0, pause * 2)
            else:
                self._claimer.in_flight.difference_update(s.delivery.id for s in settled)
                return overtaken

    async def _hold(self, results: Sequence[tuple[Delivery, Transition]]) -> None:
        if held := [delivery for delivery, transition in results if transition.to is State.held]:
            await self._ports.due.hold(held, self._ports.clock.now_ms())

    async def _mark(self, transitions: Sequence[Transition]) -> set[str]:
        """Write the moves; the deliveries that stand elsewhere by now.

        Where Redis was emptied and rebuilt while mail was out, its claim is made anew first.
        """
        results = await self._ports.ledger.transition(transitions)
        refused = [
            (transition, result.state)
            for transition, result in zip(transitions, results, strict=True)
            if not result.applied and result.state is not transition.to
        ]
        unclaimed = [transition for transition, state in refused if state in _CLAIMABLE]
        claims = [
            transition._replace(to=State.sending, reason=Reason.none, detail="") for transition in unclaimed
        ]
        if unclaimed:
            await self._ports.ledger.transition(
                [m for pair in zip(claims, unclaimed, strict=True) for m in pair]
            )
        return {transition.delivery for transition, state in refused if state not in _CLAIMABLE}

    def _done(
        self, batch: DeliveryBatch, settled: Sequence[SettledDelivery], more: Sequence[Message]
    ) -> Done:
        """What no relay took stays unfinished, so it stays in Kafka."""
        final = [s for s in settled if s.result.status is not SendStatus.unsent]
        messages = [
            outcome_message(self._topics, s.delivery, s.transition, s.result, s.again_ms) for s in final
        ]
        messages += [self._suppressed(*_suppression(s)) for s in final if s.result.suppress]
        messages += more
        return Done(batch.finish([s.delivery.id for s in final]), messages)

    async def _retell(self, delivery: Delivery) -> list[Message]:
        """A delivery that was settled before: its telling may have been lost with a worker, so tell it again."""
        entry = await self._ports.ledger.entry(delivery.event, delivery.id)
        if entry is None or entry.state is State.sending:
            return []
        step = entry.steps[0]
        (again_ms,) = await self._ports.due.times([delivery.id]) if step.state in _WAITING else (None,)
        transition = Transition(
            delivery.event, delivery.id, step.state, step.reason, step.at_ms, step.attempt, step.detail
        )
        told = [outcome_message(self._topics, delivery, transition, None, again_ms or 0)]
        if step.state is State.bounced and (row := await self._ports.tables.suppression(delivery.address)):
            told.append(self._suppressed(address_key(delivery.address), row))
        return told

    def _suppressed(self, key: str, row: Suppression) -> Message:
        return Message(self._topics.table("suppressions"), key.encode(), row.to_bytes())

    def _outcome(self, delivery: Delivery, transition: Transition) -> Message:
        return outcome_message(self._topics, delivery, transition)


def _suppression(settled: SettledDelivery) -> tuple[str, Suppression]:
    transition = settled.transition
    return suppression(settled.delivery.address, transition.reason, transition.at_ms, transition.detail)
