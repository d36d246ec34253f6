"""Claims: a delivery is `sending` in the ledger, with its owner, before its mail goes out."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from service.model.catalogue import Catalogue
from service.model.delivery import Delivery
from service.model.ledger import State, Transition, TransitionResult
from service.model.reasons import Reason
from service.pipeline.email.in_flight import ALIVE_S, InFlight
from service.pipeline.email.recheck import RecheckedDelivery
from service.ports import Clock, DueSet, Ledger, Workers


@dataclass(slots=True)
class ClaimResults:
    """What a batch may do: `send` now, `closed` for good (with the move that did it), `wait` for another owner.

    `name`: whom it claims for.
    """

    name: str
    send: list[Delivery] = field(default_factory=list)
    closed: list[tuple[Delivery, Transition]] = field(default_factory=list)
    settled: list[Delivery] = field(default_factory=list)
    wait: list[RecheckedDelivery] = field(default_factory=list)


class Claimer:
    """Moves deliveries to `sending`, and finds those whose owner died with mail in its hands."""

    def __init__(
        self,
        catalogue: Catalogue,
        ledger: Ledger,
        workers: Workers,
        due: DueSet,
        *,
        clock: Clock,
        in_flight: InFlight,
    ) -> None:
        self._catalogue = catalogue
        self._ledger = ledger
        self._workers = workers
        self._due = due
        self._clock = clock
        self.in_flight = in_flight
        self._living = ""

    async def claim(self, checked: Sequence[RecheckedDelivery]) -> ClaimResults:
        """One script for the batch; a second one only where a dead owner's claims are met."""
        claims = ClaimResults(await self._live())
        with self.in_flight.asking(claims.name):
            await self._claim(checked, claims)
        return claims

    async def _claim(self, checked: Sequence[RecheckedDelivery], claims: ClaimResults) -> None:
        transitions = [self._transition(c, claims.name) for c in checked]
        orphans: list[tuple[RecheckedDelivery, TransitionResult]] = []
        for check, transition, results in zip(
            checked, transitions, await self._make(transitions), strict=True
        ):
            if (
                results.state is State.sending
                and not results.applied
                and results.attempt <= check.delivery.attempt + 1
            ):
                orphans.append((check, results))
            else:  # a later attempt than this record's has its own record
                self._sort(check, transition, results, claims)
        if orphans:
            await self._adopt(orphans, claims)

    async def _live(self) -> str:
        """The name to claim under: one that was said to live."""
        while (name := self.in_flight.name) != self._living:
            await self._workers.heartbeat(name, ALIVE_S)
            self._living = name
        return name

    async def _make(self, transitions: Sequence[Transition]) -> Sequence[TransitionResult]:
        """Make moves of which some are claims; where the answer is lost, whoever comes next may take these."""
        try:
            return await self._ledger.transition(transitions)
        except BaseException:
            self.in_flight.renew_epoch(())
            raise

    def _transition(self, checked: RecheckedDelivery, name: str) -> Transition:
        delivery, verdict = checked.delivery, checked.verdict
        to = State.sending if verdict.state is State.queued else verdict.state
        return Transition(
            event=delivery.event,
            delivery=delivery.id,
            to=to,
            reason=verdict.reason,
            at_ms=self._clock.now_ms(),
            attempt=delivery.attempt + (to is State.sending),
            detail="" if to is State.sending else verdict.detail,
            owner=name if to is State.sending else "",
        )

    def _sort(
        self,
        checked: RecheckedDelivery,
        transition: Transition,
        results: TransitionResult,
        claims: ClaimResults,
    ) -> None:
        if results.applied and transition.to is State.sending:
            self.in_flight.add(checked.delivery, transition.at_ms, transition.owner)
            claims.send.append(checked.delivery)
        elif results.applied or results.state is transition.to:
            claims.closed.append((checked.delivery, transition))
        else:
            claims.settled.append(checked.delivery)

    async def _adopt(
        self, orphans: Sequence[tuple[RecheckedDelivery, TransitionResult]], claims: ClaimResults
    ) -> None:
        """A claim of a dead worker is ambiguous: its mail may or may not have left. The type says what then.

        So is a claim of our own that is not in flight: its answer was lost with an error.
        """
        alive = await self._workers.have_heartbeat([results.owner for _, results in orphans])
        left: list[tuple[RecheckedDelivery, TransitionResult]] = []
        for (checked, results), lives in zip(orphans, alive, strict=True):
            ours = self.in_flight.ours(results.owner)
            if checked.delivery.id in self.in_flight if ours else lives:
                claims.wait.append(checked)
            else:
                left.append((checked, results))
        dead = await self._unanswered(left, claims) if left else []
        if not dead:
            return
        now = self._clock.now_ms()
        await self._ledger.transition([_died(c, State.ambiguous, c.delivery.attempt, now) for c in dead])
        transitions = [
            self._transition(c, claims.name) if self._resend(c) else self._hold(c, now) for c in dead
        ]
        for checked, transition, results in zip(
            dead, transitions, await self._make(transitions), strict=True
        ):
            self._sort(checked, transition, results, claims)

    async def _unanswered(
        self, left: Sequence[tuple[RecheckedDelivery, TransitionResult]], claims: ClaimResults
    ) -> list[RecheckedDelivery]:
        """Those without a stored next attempt. For the others the relay had answered before their worker died."""
        waiting = await self._due.waiting([checked.delivery.id for checked, _ in left])
        answered = [
            (checked, results.attempt)
            for (checked, results), waits in zip(left, waiting, strict=True)
            if waits is not None and waits.attempt >= results.attempt
        ]
        if answered:
            now = self._clock.now_ms()
            await self._ledger.transition([_died(c, State.deferred, attempt, now) for c, attempt in answered])
            claims.settled += [checked.delivery for checked, _ in answered]
        known = {checked.delivery.id for checked, _ in answered}
        return [checked for checked, _ in left if checked.delivery.id not in known]

    def _resend(self, checked: RecheckedDelivery) -> bool:
        return self._catalogue[checked.delivery.type].on_ambiguous == "resend"

    def _hold(self, checked: RecheckedDelivery, now_ms: int) -> Transition:
        delivery = checked.delivery
        return Transition(
            delivery.event, delivery.id, State.held, Reason.awaiting_operator, now_ms, delivery.attempt
        )


def _died(checked: RecheckedDelivery, to: State, attempt: int, now_ms: int) -> Transition:
    return Transition(checked.delivery.event, checked.delivery.id, to, Reason.worker_died, now_ms, attempt)
