"""Claims: a delivery is `sending` under an owner before its message is sent.

Before messages are rendered, `look` sorts a batch: it closes what the recheck decided against, and reads which other
deliveries are settled already or in flight at another owner. `claim` follows for each group of messages that a
connection is about to send:

1. Send the heartbeat of the current owner, unless its lease holds.
2. Write all transitions of the group in one call: `sending` for what is to be sent, the decided state for the rest.
3. Where a delivery is `sending` already, and its owner has no heartbeat, take the claim over.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from service.model.catalogue import Catalogue
from service.model.delivery import Delivery
from service.model.ledger import WAITING, State, Transition, TransitionResult
from service.model.reasons import Reason
from service.model.record import Message
from service.pipeline.email.in_flight import InFlight
from service.pipeline.email.recheck import RecheckedDelivery
from service.pipeline.holds import HeldDelivery, Holds
from service.pipeline.lost_deliveries import LostDeliveries
from service.ports import Clock, DueSet, Ledger, Workers


class ClosedDelivery(NamedTuple):
    """A delivery with its transition; `next_ms`: when one that is held is decided again, 0 for any other."""

    delivery: Delivery
    transition: Transition
    next_ms: int = 0


_Contested = tuple[RecheckedDelivery, TransitionResult]
"""A delivery that was `sending` before this worker claimed it, and the result that says under which owner."""


@dataclass(slots=True)
class ClaimResults:
    """The deliveries of a batch, sorted by `look`, or by a claim under `owner`.

    `send`: to be claimed, or claimed. `closed`: in a final state, or held, by the transition beside them. `settled`:
    refused, since an earlier record, another worker or a withdrawal has settled them. `wait`: in flight under an owner
    with a heartbeat. `messages`: outcomes of the digests that items have opened.
    """

    owner: str = ""
    send: list[Delivery] = field(default_factory=list)
    closed: list[ClosedDelivery] = field(default_factory=list)
    settled: list[Delivery] = field(default_factory=list)
    wait: list[RecheckedDelivery] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)


class Claimer:
    """Claims deliveries, and takes over the claims of owners without a heartbeat."""

    def __init__(
        self,
        catalogue: Catalogue,
        ledger: Ledger,
        workers: Workers,
        due: DueSet,
        holds: Holds,
        *,
        clock: Clock,
        in_flight: InFlight,
    ) -> None:
        self._holds = holds
        self._catalogue = catalogue
        self._ledger = ledger
        self._workers = workers
        self._due = due
        self._clock = clock
        self._lost = LostDeliveries(catalogue, ledger, clock)
        self.in_flight = in_flight

    async def look(self, checked: Sequence[RecheckedDelivery]) -> ClaimResults:
        """Close what is not to be sent, and sort the rest by its state in the ledger. Raise Unavailable.

        Without it, each record that is read again after a rebalance would be rendered, and would wait for a connection,
        only to find that its delivery is settled.
        """
        looked = ClaimResults()
        if closing := [c for c in checked if c.decision.state is not State.queued]:
            await self._claim(await self._held(closing, looked), looked)
        if not (sending := [c for c in checked if c.decision.state is State.queued]):
            return looked
        current = await self._ledger.current([(c.delivery.event, c.delivery.id) for c in sending])
        contested: list[_Contested] = []
        for check, result in zip(sending, current, strict=True):
            if _is_contested(check, result):
                contested.append((check, result))
            elif _is_settled(check.delivery, result):
                looked.settled.append(check.delivery)
            else:
                looked.send.append(check.delivery)
        if contested:
            abandoned = await self._without_owner(contested, looked)
            looked.send += [check.delivery for check, _ in abandoned]
        return looked

    async def claim(self, checked: Sequence[RecheckedDelivery]) -> ClaimResults:
        """Claim a group in one call; more follow only where a delivery is `sending` already. Raise Unavailable."""
        # The heartbeat before the claim: without one, another worker would take the claim over, and send it twice.
        claims = ClaimResults(await self.in_flight.leased_owner(self._workers))
        with self.in_flight.claiming(claims.owner):
            try:
                await self._claim(await self._held(checked, claims), claims)
            except BaseException:  # the caller does not learn of the claims that were made already
                self.in_flight.renew_epoch(delivery.id for delivery in claims.send)
                raise
        return claims

    async def _held(
        self, checked: Sequence[RecheckedDelivery], claims: ClaimResults
    ) -> Sequence[RecheckedDelivery]:
        """Store those that are held until a time. Return all whose transitions are still to be written."""
        held = [c for c in checked if c.decision.until_ms]
        if not held:
            return checked
        # The ledger first: a record that is read again must not take the place of what came after it in the due set.
        current = await self._ledger.current([(c.delivery.event, c.delivery.id) for c in held])
        contested = [one for one in zip(held, current, strict=True) if _is_contested(*one)]
        settled = {
            c.delivery.id for c, now in zip(held, current, strict=True) if _is_settled(c.delivery, now)
        }
        in_flight = {c.delivery.id for c, _ in contested}
        claims.settled += [c.delivery for c in held if c.delivery.id in settled - in_flight]
        abandoned = await self._without_owner(contested, claims) if contested else []
        storing = [c for c in held if c.delivery.id not in settled] + [c for c, _ in abandoned]
        stored = await self._holds.store([HeldDelivery(c.delivery, c.decision) for c in storing])
        claims.messages += stored.messages
        decisions = {c.delivery.id: decision for c, decision in zip(storing, stored.decisions, strict=True)}
        if abandoned:
            again = [(c._replace(decision=decisions[c.delivery.id]), now) for c, now in abandoned]
            await self._take_over(again, claims)
        return [
            c._replace(decision=decisions.get(c.delivery.id, c.decision))
            for c in checked
            if c.delivery.id not in settled
        ]

    async def _claim(self, checked: Sequence[RecheckedDelivery], claims: ClaimResults) -> None:
        transitions = [self._transition(c, claims.owner) for c in checked]
        contested: list[_Contested] = []
        results = list(await self._write(transitions))
        await self._enter_lost(checked, transitions, results)
        for check, transition, result in zip(checked, transitions, results, strict=True):
            if not result.applied and _is_contested(check, result):
                contested.append((check, result))
            else:  # a later attempt than this record's has its own record
                self._sort(check, transition, result, claims)
        if contested:
            await self._take_over(contested, claims)

    async def _enter_lost(
        self,
        checked: Sequence[RecheckedDelivery],
        transitions: list[Transition],
        results: list[TransitionResult],
    ) -> None:
        """Enter deliveries that the ledger does not hold, and make their transitions; put the results in their places.

        Whether one was sent before is unknown. So it is held where its type forbids a second message, and closed where
        the retention is over.
        """
        now_ms, entered = self._clock.now_ms(), list[int]()
        lost = await self._lost.enter_missing([check.delivery for check in checked], results)
        for i, state in lost.items():
            if state is None:
                delivery = checked[i].delivery
                transitions[i] = Transition(
                    delivery.event,
                    delivery.id,
                    State.expired,
                    Reason.retention_over,
                    now_ms,
                    delivery.attempt,
                )
                results[i] = TransitionResult(True, State.expired)
                continue
            if transitions[i].to is State.sending and not self._resends(checked[i]):
                transitions[i] = _hold(checked[i], now_ms)._replace(reason=Reason.state_lost)
            entered.append(i)
        if entered:
            again = await self._write([transitions[i] for i in entered])
            for i, result in zip(entered, again, strict=True):
                results[i] = result

    async def _write(self, transitions: Sequence[Transition]) -> Sequence[TransitionResult]:
        """Write transitions, some of which are claims.

        Where the reply is lost, the claims may be in the ledger without this worker knowing. A new epoch leaves them
        without a heartbeat, so that the next reader of their records can take them over.
        """
        try:
            return await self._ledger.transition(transitions)
        except BaseException:
            self.in_flight.note_unbegun((one.delivery, one.owner) for one in transitions if one.owner)
            self.in_flight.renew_epoch(())
            raise

    def _transition(self, checked: RecheckedDelivery, owner: str) -> Transition:
        delivery, decision = checked.delivery, checked.decision
        to = State.sending if decision.state is State.queued else decision.state
        return Transition(
            event=delivery.event,
            delivery=delivery.id,
            to=to,
            reason=decision.reason,
            at_ms=self._clock.now_ms(),
            attempt=delivery.attempt + (to is State.sending),
            detail="" if to is State.sending else decision.detail,
            owner=owner if to is State.sending else "",
        )

    def _sort(
        self,
        checked: RecheckedDelivery,
        transition: Transition,
        result: TransitionResult,
        claims: ClaimResults,
    ) -> None:
        if result.applied and transition.to is State.sending:
            self.in_flight.add(checked.delivery, transition.at_ms, transition.owner)
            claims.send.append(checked.delivery)
        elif result.applied or result.state is transition.to:
            next_ms = checked.decision.until_ms if transition.to is State.held else 0
            claims.closed.append(ClosedDelivery(checked.delivery, transition, next_ms))
        else:
            claims.settled.append(checked.delivery)

    async def _take_over(self, contested: Sequence[_Contested], claims: ClaimResults) -> None:
        """Take over the claims of owners without a heartbeat; the others wait.

        The message of such a claim may or may not have left, so it is ambiguous, and the type decides what follows. A
        claim of this worker that is not in flight is the same, unless its reply was lost with an error: then this
        worker knows that nothing has left.
        """
        abandoned = await self._without_owner(contested, claims)
        unbegun = [one for one in abandoned if self._was_not_begun(one)]
        abandoned = [one for one in abandoned if not self._was_not_begun(one)]
        if unbegun:
            await self._claim_again(unbegun, claims)
        ambiguous = await self._without_next_attempt(abandoned, claims) if abandoned else []
        if not ambiguous:
            return
        now_ms = self._clock.now_ms()
        # `ambiguous` before the next claim: without it the history would not show that a message may have left twice.
        # It has the attempt of this record, so that this record may claim it.
        await self._ledger.transition(
            [_worker_died(c, State.ambiguous, c.delivery.attempt, now_ms) for c in ambiguous]
        )
        transitions = [
            self._transition(c, claims.owner) if self._resends(c) else _hold(c, now_ms) for c in ambiguous
        ]
        for checked, transition, result in zip(
            ambiguous, transitions, await self._write(transitions), strict=True
        ):
            self._sort(checked, transition, result, claims)

    def _was_not_begun(self, contested: _Contested) -> bool:
        checked, result = contested
        return self.in_flight.was_not_begun(checked.delivery.id, result.owner)

    async def _claim_again(self, unbegun: Sequence[_Contested], claims: ClaimResults) -> None:
        """End this worker's own claims under which nothing was sent, and claim the deliveries under this owner."""
        now_ms = self._clock.now_ms()
        ended = [
            Transition(d.event, d.id, State.queued, Reason.none, now_ms, d.attempt, held_by=result.owner)
            for d, result in ((checked.delivery, result) for checked, result in unbegun)
        ]
        again: list[RecheckedDelivery] = []
        for (checked, _), result in zip(unbegun, await self._ledger.transition(ended), strict=True):
            (again if result.applied else claims.wait).append(checked)
        transitions = [self._transition(checked, claims.owner) for checked in again]
        for checked, transition, result in zip(
            again, transitions, await self._write(transitions), strict=True
        ):
            self._sort(checked, transition, result, claims)

    async def _without_owner(self, contested: Sequence[_Contested], claims: ClaimResults) -> list[_Contested]:
        """Return the claims whose owner has no heartbeat; the others wait."""
        alive = await self._workers.have_heartbeat([result.owner for _, result in contested])
        abandoned: list[_Contested] = []
        for (checked, result), has_heartbeat in zip(contested, alive, strict=True):
            own = self.in_flight.is_own(result.owner)
            if checked.delivery.id in self.in_flight if own else has_heartbeat:
                claims.wait.append(checked)
            else:
                abandoned.append((checked, result))
        return abandoned

    async def _without_next_attempt(
        self, abandoned: Sequence[_Contested], claims: ClaimResults
    ) -> list[RecheckedDelivery]:
        """Return the deliveries without a next attempt in the due set; write `deferred` for the others.

        The next attempt is stored before the ledger, so for the others the relay had replied before their worker died.
        """
        waiting = await self._due.waiting([checked.delivery.id for checked, _ in abandoned])
        deferred = [
            (checked, result.attempt)
            for (checked, result), stored in zip(abandoned, waiting, strict=True)
            if stored is not None and stored.attempt >= result.attempt
        ]
        if deferred:
            now_ms = self._clock.now_ms()
            await self._ledger.transition(
                [_worker_died(c, State.deferred, attempt, now_ms) for c, attempt in deferred]
            )
            claims.settled += [checked.delivery for checked, _ in deferred]
        deferred_ids = {checked.delivery.id for checked, _ in deferred}
        return [checked for checked, _ in abandoned if checked.delivery.id not in deferred_ids]

    def _resends(self, checked: RecheckedDelivery) -> bool:
        return self._catalogue[checked.delivery.type].on_ambiguous == "resend"


def _is_contested(checked: RecheckedDelivery, result: TransitionResult) -> bool:
    """Return whether a delivery is in flight under a claim; a later attempt than this record's has its own record."""
    return result.state is State.sending and result.attempt <= checked.delivery.attempt + 1


def _is_settled(delivery: Delivery, result: TransitionResult) -> bool:
    """Return whether a record has nothing to do: another state, or a later attempt, which has its own record."""
    if result.state is None or result.state is State.queued:  # the claim decides about one without a row
        return False
    return result.state not in WAITING or result.attempt != delivery.attempt


def _hold(checked: RecheckedDelivery, now_ms: int) -> Transition:
    """Return the transition that leaves a delivery to an operator, with an attempt that no record has."""
    delivery = checked.delivery
    return Transition(
        delivery.event, delivery.id, State.held, Reason.awaiting_operator, now_ms, delivery.attempt + 1
    )


def _worker_died(checked: RecheckedDelivery, to: State, attempt: int, now_ms: int) -> Transition:
    return Transition(checked.delivery.event, checked.delivery.id, to, Reason.worker_died, now_ms, attempt)
