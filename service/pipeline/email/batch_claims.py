"""The claims of one batch, which are made as connections are about to send its messages.

1. Where the recheck of the batch is too old by then, recheck the group again.
2. A message whose recipient's address or name has changed since is not claimed: it must be rendered again.
3. Claim the items of digests. A digest that has lost one must be rendered again, too.
4. Claim the others in one call.
"""

from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence

from service.model.delivery import Delivery
from service.model.ledger import State
from service.model.mail import OutgoingMail
from service.pipeline.email.claim import Claimer, ClaimResults
from service.pipeline.email.digest_batch import DigestBatch
from service.pipeline.email.recheck import RecheckedDelivery
from service.ports import Clock, Lease

RECHECK_AFTER_S = 1.0
"""The age of a recheck, in seconds, from which it is repeated before a claim: a message that has waited for a relay, or
for its rate, must not be sent after an unsubscribe that came meanwhile."""

Recheck = Callable[[Sequence[Delivery]], Awaitable[Sequence[RecheckedDelivery]]]


class BatchClaims:
    """Claims the messages of a batch. Implements the MailClaims port.

    `results`: what was found out by claiming, for the stage to finish. `again`: deliveries that must be rendered again,
    or claimed again. `unsent`: messages that came back. `error`: what made a claim fail; from then on nothing more of
    the batch is claimed.
    """

    def __init__(
        self,
        claimer: Claimer,
        recheck: Recheck,
        digests: DigestBatch,
        checked: Iterable[RecheckedDelivery],
        *,
        clock: Clock,
        checked_s: float,
    ) -> None:
        self._digests = digests
        self.results = ClaimResults()
        self.again: list[Delivery] = []
        self.unsent: list[str] = []
        self.error: Exception | None = None
        self._claimer = claimer
        self._recheck = recheck
        self._checked = {c.delivery.id: c for c in checked}
        self._clock = clock
        self._checked_s = checked_s
        self._claimed: set[str] = set()
        self._begun: set[str] = set()
        self._ended = False

    async def claim(self, mails: Sequence[OutgoingMail]) -> Sequence[Lease | None]:
        """Return for each message the lease of its claim; None for one that must not be sent now. Raise nothing."""
        return await self.claim_deliveries([mail.delivery_id for mail in mails])

    async def claim_deliveries(self, ids: Sequence[str]) -> Sequence[Lease | None]:
        """Claim deliveries as `claim` does, also those whose results need no relay."""
        if self._ended or self.error is not None:
            return [None] * len(ids)
        self._begun.update(ids)
        try:
            owner, claimed = await self._claim(ids)
        except Exception as error:  # raised by the stage, for all records of the batch that are unfinished
            self.error = self.error or error
            return [None] * len(ids)
        lease = self._claimer.in_flight.lease(owner)
        return [lease if delivery_id in claimed else None for delivery_id in ids]

    def is_claimed(self, delivery_id: str) -> bool:
        """Return whether a delivery was claimed."""
        return delivery_id in self._claimed

    def unfinished(self) -> list[str]:
        """Return the deliveries that came back unsent, and about which claiming has found out nothing."""
        found = {one.delivery.id for one in self.results.closed} | {d.id for d in self.results.settled}
        found |= {c.delivery.id for c in self.results.wait} | {d.id for d in self.again}
        return [delivery_id for delivery_id in self.unsent if delivery_id not in found]

    def end(self) -> Collection[str]:
        """Make no further claims. Return the deliveries whose claims were requested: these are settled as usual."""
        self._ended = True
        return self._begun

    async def _claim(self, ids: Sequence[str]) -> tuple[str, Collection[str]]:
        """Return the owner of the claims, and the deliveries that were claimed. Raise Unavailable."""
        recent = await self._recent([self._checked[id_] for id_ in ids])
        recent = await self._with_items(recent)
        results = await self._claimer.claim(recent)
        claimed = {delivery.id for delivery in results.send}
        self._claimed |= claimed
        self.results.send += results.send
        self.results.closed += results.closed
        self.results.settled += results.settled
        self.results.wait += results.wait
        self.results.messages += results.messages
        return results.owner, claimed

    async def _with_items(self, checked: Sequence[RecheckedDelivery]) -> Sequence[RecheckedDelivery]:
        """Claim the items of the digests that are sent; leave out digests that have lost one. Raise Unavailable."""
        going = [c.delivery.id for c in checked if c.decision.state is State.queued]
        lost = await self._digests.claim(going)
        self.again += [c.delivery for c in checked if c.delivery.id in lost]
        return [c for c in checked if c.delivery.id not in lost]

    async def _recent(self, checked: Sequence[RecheckedDelivery]) -> Sequence[RecheckedDelivery]:
        """Return these with a recent recheck, without those that must be rendered again. Raise Unavailable."""
        now_ms = self._clock.now_ms()
        recent = self._clock.boot_s() - self._checked_s < RECHECK_AFTER_S
        if recent and all(c.delivery.deadline_ms > now_ms for c in checked):
            return checked
        rechecked = await self._recheck([c.delivery for c in checked])
        unchanged: list[RecheckedDelivery] = []
        for before, after in zip(checked, rechecked, strict=True):
            same_items = self._digests.renders_alike(after.delivery.id)
            if after.decision.state is State.queued and not (
                same_items and _renders_alike(before.delivery, after.delivery)
            ):
                self.again.append(after.delivery)
            else:
                unchanged.append(after)
        return unchanged


def _renders_alike(one: Delivery, other: Delivery) -> bool:
    """Return whether both have the same message."""
    return (one.address, one.name, one.locale, one.timezone) == (
        other.address,
        other.name,
        other.locale,
        other.timezone,
    )
