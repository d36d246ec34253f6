"""Claims: a delivery is `sending` in the ledger, with its owner, before its mail goes out."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from service.model.catalogue import Catalogue
from service.model.delivery import Delivery
from service.model.ledger import Reason, State
from service.pipeline.recheck import Checked
from service.ports import Clock, Ledger, Move, Moved, Workers


@dataclass(slots=True)
class Claims:
    """What a batch may do: `send` now, `closed` for good (with the move that did it), `wait` for another owner."""

    send: list[Delivery] = field(default_factory=list)
    closed: list[tuple[Delivery, Move]] = field(default_factory=list)
    settled: list[Delivery] = field(default_factory=list)
    wait: list[Checked] = field(default_factory=list)


class Claimer:
    """Moves deliveries to `sending`, and finds those whose owner died with mail in its hands."""

    def __init__(
        self, catalogue: Catalogue, ledger: Ledger, workers: Workers, owner: str, clock: Clock
    ) -> None:
        self._catalogue = catalogue
        self._ledger = ledger
        self._workers = workers
        self._owner = owner
        self._clock = clock
        self.in_flight: set[str] = set()

    async def claim(self, checked: Sequence[Checked]) -> Claims:
        """One script for the batch; a second one only where a dead owner's claims are met."""
        claims = Claims()
        moves = [self._move(c) for c in checked]
        orphans: list[tuple[Checked, Moved]] = []
        for check, move, moved in zip(checked, moves, await self._ledger.move(moves), strict=True):
            if moved.state is State.sending and not moved.applied:
                orphans.append((check, moved))
            else:
                self._sort(check, move, moved, claims)
        if orphans:
            await self._adopt(orphans, claims)
        return claims

    def _move(self, checked: Checked) -> Move:
        delivery, verdict = checked.delivery, checked.verdict
        to = State.sending if verdict.state is State.queued else verdict.state
        return Move(
            event=delivery.event,
            delivery=delivery.id,
            to=to,
            reason=verdict.reason,
            at_ms=self._clock.now_ms(),
            attempt=delivery.attempt + (to is State.sending),
            detail="" if to is State.sending else verdict.detail,
            owner=self._owner if to is State.sending else "",
        )

    def _sort(self, checked: Checked, move: Move, moved: Moved, claims: Claims) -> None:
        if moved.applied and move.to is State.sending:
            self.in_flight.add(move.delivery)
            claims.send.append(checked.delivery)
        elif moved.applied or moved.state is move.to:
            claims.closed.append((checked.delivery, move))
        else:
            claims.settled.append(checked.delivery)

    async def _adopt(self, orphans: Sequence[tuple[Checked, Moved]], claims: Claims) -> None:
        """A claim of a dead worker is ambiguous: its mail may or may not have left. The type says what then.

        So is a claim of our own that is not in flight: its answer was lost with an error.
        """
        alive = await self._workers.alive([moved.owner for _, moved in orphans])
        dead: list[Checked] = []
        for (checked, moved), lives in zip(orphans, alive, strict=True):
            ours = moved.owner == self._owner
            held = checked.delivery.id in self.in_flight if ours else lives
            (claims.wait if held else dead).append(checked)
        if not dead:
            return
        now = self._clock.now_ms()
        await self._ledger.move(
            [
                Move(
                    c.delivery.event,
                    c.delivery.id,
                    State.ambiguous,
                    Reason.worker_died,
                    now,
                    c.delivery.attempt,
                )
                for c in dead
            ]
        )
        moves = [self._move(c) if self._resend(c) else self._hold(c, now) for c in dead]
        for checked, move, moved in zip(dead, moves, await self._ledger.move(moves), strict=True):
            self._sort(checked, move, moved, claims)

    def _resend(self, checked: Checked) -> bool:
        return self._catalogue[checked.delivery.type].on_ambiguous == "resend"

    def _hold(self, checked: Checked, now_ms: int) -> Move:
        delivery = checked.delivery
        return Move(
            delivery.event, delivery.id, State.held, Reason.awaiting_operator, now_ms, delivery.attempt
        )
