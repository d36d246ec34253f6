"""Storage of settled deliveries: next attempts, transitions, suppressions; then the claims are released."""

import asyncio
from collections.abc import Sequence

from service.model.blocks.suppression import Suppression, suppression
from service.model.catalogue import Catalogue
from service.model.delivery import Delivery
from service.model.ledger import State, Transition, TransitionResult, sources_of
from service.model.reasons import HELD_UNTIL_A_TIME, Reason
from service.pipeline.email.in_flight import InFlight
from service.pipeline.email.settle import SettledDelivery
from service.pipeline.lost_deliveries import LostDeliveries
from service.ports import Clock, DueSet, Ledger, TableWrites, Unavailable

_FIRST_PAUSE_S, _MAX_PAUSE_S = 0.1, 2.0
_CLAIMABLE = sources_of(State.sending)


class SettledStore:
    """The places where the result of a message is stored, in the order that survives a crash."""

    def __init__(
        self,
        catalogue: Catalogue,
        ledger: Ledger,
        due: DueSet,
        writes: TableWrites,
        *,
        clock: Clock,
        in_flight: InFlight,
    ) -> None:
        self._ledger = ledger
        self._due = due
        self._writes = writes
        self._clock = clock
        self._in_flight = in_flight
        self._lost = LostDeliveries(catalogue, ledger, clock)

    async def store(self, settled: Sequence[SettledDelivery]) -> set[str]:
        """Store settled deliveries; return the ids of those whose transition the ledger refused.

        Repeats for as long as Redis is unavailable: the messages are out, and a transition that is given up is a
        message sent twice.
        """
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                # The due set before the ledger: a crash in the other order leaves `deferred` without a next attempt,
                # which nothing would ever make.
                await self._add_next_attempts(settled)
                await self.note_held([(s.delivery, s.transition) for s in settled])
                refused = await self._write_transitions(settled)
                for s in settled:
                    if s.result.suppress:
                        await self._writes.put_suppression(*suppression_of(s))
            except Unavailable:
                await asyncio.sleep(pause_s)
                pause_s = min(_MAX_PAUSE_S, pause_s * 2)
            else:
                # Claims are released only after the ledger has the transitions: without a heartbeat for their owner,
                # another worker would take them over as ambiguous.
                self._in_flight.remove(s.delivery.id for s in settled)
                return refused

    def _ending_claim(self, transition: Transition) -> Transition:
        """Return a transition that ends no claim but this worker's: another one may have taken it over.

        `sent` is true whichever worker has the claim now: the relay has the message.
        """
        if transition.to is State.sent:
            return transition
        return transition._replace(held_by=self._in_flight.owner_of(transition.delivery))

    async def _add_next_attempts(self, settled: Sequence[SettledDelivery]) -> None:
        if retried := [s for s in settled if s.next_ms]:
            # With the attempt counted: the ledger lets only the record of the next attempt claim the delivery.
            deliveries = [s.delivery.replace(attempt=s.transition.attempt) for s in retried]
            states = [s.transition.to for s in retried]
            await self._due.add(deliveries, [s.next_ms for s in retried], states)

    async def note_held(self, transitions: Sequence[tuple[Delivery, Transition]]) -> None:
        """Note the deliveries on which an operator decides now. Raise Unavailable."""
        held = [
            delivery
            for delivery, transition in transitions
            if transition.to is State.held and transition.reason not in HELD_UNTIL_A_TIME
        ]
        if held:
            await self._due.hold(held, self._clock.now_ms())

    async def _write_transitions(self, settled: Sequence[SettledDelivery]) -> set[str]:
        """Write transitions after `sending`; return the deliveries that another worker has settled meanwhile.

        Where Redis was emptied and rebuilt while a message was out, its claim is lost: it is written again first. An
        entry that is lost is entered again; one whose retention is over stays out, and its outcome is published.
        """
        transitions = [self._ending_claim(s.transition) for s in settled]
        results = list(await self._ledger.transition(transitions))
        for i, state in (await self._lost.enter_missing([s.delivery for s in settled], results)).items():
            results[i] = TransitionResult(state is None, state or transitions[i].to)
        refused = [
            (transition, result.state)
            for transition, result in zip(transitions, results, strict=True)
            if not result.applied and result.state is not transition.to
        ]
        unclaimed = [
            transition._replace(held_by="")
            for transition, state in refused
            if state in _CLAIMABLE and transition.to is not State.queued  # what was not sent changes nothing
        ]
        claims = [
            transition._replace(to=State.sending, reason=Reason.none, detail="") for transition in unclaimed
        ]
        if unclaimed:
            await self._ledger.transition(
                [transition for pair in zip(claims, unclaimed, strict=True) for transition in pair]
            )
        return {transition.delivery for transition, state in refused if state not in _CLAIMABLE}


def suppression_of(settled: SettledDelivery) -> tuple[str, Suppression]:
    """Return the address of a delivery whose mailbox is at fault, with its suppression."""
    transition = settled.transition
    return suppression(settled.delivery.address, transition.reason, transition.at_ms, transition.detail)
