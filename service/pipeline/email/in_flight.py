"""The claims of this worker that are not settled yet: messages whose results the ledger does not have."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import ClassVar, NamedTuple

import structlog

from service.model.catalogue import Lane
from service.model.delivery import Delivery
from service.pipeline.email.lease import ALIVE_S, OwnerLease
from service.ports import Clock, Workers

log = structlog.get_logger(__name__)


_MAX_UNBEGUN = 10_000
"""The most claims to remember of which nothing was sent; a forgotten one counts as ambiguous."""


class _Claim(NamedTuple):
    lane: Lane
    at_ms: int
    owner: str


class InFlight:
    """Deliveries that are `sending` by this worker, with their lanes and since when (ms).

    Claims are fenced by an owner epoch. An owner is the worker's name and the number of the epoch, and only owners in
    use have a heartbeat. A claim whose reply was lost, or whose message was never submitted, would otherwise block its
    delivery for as long as the worker runs, even when the record has gone to another worker. So `renew_epoch` starts a
    new epoch for further claims, and the old owner has a heartbeat only until the messages begun under it are settled.

    An epoch has a lease, which its heartbeats extend. Once the lease is over, nothing is claimed or sent under the
    epoch any more; what is at a relay already keeps its heartbeat until it is settled.
    """

    TTL_S: ClassVar[float] = ALIVE_S

    def __init__(self, worker: str, clock: Clock) -> None:
        self.owner = worker
        self._clock = clock
        self._leases: dict[str, OwnerLease] = {}
        self._worker = worker
        self._epoch = 0
        self._claims: dict[str, _Claim] = {}
        self._unbegun: dict[str, str] = {}
        self._claiming: list[str] = []

    def __contains__(self, delivery: object) -> bool:
        return delivery in self._claims

    @contextmanager
    def claiming(self, owner: str) -> Iterator[None]:
        """Keep the heartbeat of an owner while claims are made under it."""
        self._claiming.append(owner)
        try:
            yield
        finally:
            self._claiming.remove(owner)

    def lease(self, owner: str) -> OwnerLease:
        """Return the lease of an owner epoch of this worker."""
        lease = self._leases.get(owner)
        if lease is None:
            lease = self._leases[owner] = OwnerLease(self._clock)
        return lease

    async def heartbeat(self, workers: Workers) -> None:
        """Send the heartbeats of all owners in use, and extend their leases. Raise Unavailable."""
        owners = self.owners()
        await self._heartbeat(workers, owners)
        in_use = self.owners()
        self._leases = {owner: lease for owner, lease in self._leases.items() if owner in in_use}

    async def leased_owner(self, workers: Workers) -> str:
        """Return the current owner once it has a heartbeat and a lease; start a new epoch for one whose lease is over.

        Raise Unavailable.
        """
        while not self.lease(self.owner).holds():
            if self.lease(self.owner).over:
                log.warning("lease_over", owner=self.owner)
                self.renew_epoch(())
            await self._heartbeat(workers, (self.owner,))
        return self.owner

    async def _heartbeat(self, workers: Workers, owners: Collection[str]) -> None:
        leases = [self.lease(owner) for owner in owners]
        sent_s = self._clock.boot_s()
        had_one = await workers.heartbeat([*owners], self.TTL_S)
        for lease, unbroken in zip(leases, had_one, strict=True):
            lease.extend(sent_s, self.TTL_S, unbroken=unbroken)

    def owner_of(self, delivery: str) -> str:
        """Return the owner epoch of a claim; the current one for a delivery without a claim of this worker."""
        claim = self._claims.get(delivery)
        return self.owner if claim is None else claim.owner

    def add(self, delivery: Delivery, at_ms: int, owner: str) -> None:
        """Add a delivery that has been claimed under this owner."""
        self._unbegun.pop(delivery.id, None)
        self._claims[delivery.id] = _Claim(delivery.lane, at_ms, owner)

    def remove(self, delivery_ids: Iterable[str]) -> None:
        """Remove deliveries whose state is in the ledger."""
        for delivery_id in delivery_ids:
            self._claims.pop(delivery_id, None)

    def renew_epoch(self, delivery_ids: Iterable[str]) -> None:
        """Start a new epoch, and remove deliveries whose messages were not begun.

        These may be claimed in the ledger, and so may others, where the reply to a claim was lost.
        """
        claimed = {id_: self._claims.pop(id_) for id_ in list(delivery_ids) if id_ in self._claims}
        self.note_unbegun((id_, claim.owner) for id_, claim in claimed.items())
        self._epoch += 1
        self.owner = f"{self._worker}+{self._epoch}"

    def note_unbegun(self, claims: Iterable[tuple[str, str]]) -> None:
        """Remember deliveries with the owners of claims, made or perhaps made, under which nothing is sent."""
        for delivery_id, owner in claims:
            if delivery_id not in self._claims:
                self._unbegun[delivery_id] = owner
        for delivery_id in list(self._unbegun)[: max(0, len(self._unbegun) - _MAX_UNBEGUN)]:
            del self._unbegun[delivery_id]

    def was_not_begun(self, delivery_id: str, owner: str) -> bool:
        """Return whether it is known that nothing was sent under the claim of this owner."""
        return self._unbegun.get(delivery_id) == owner

    def is_own(self, owner: str) -> bool:
        """Return whether an owner is an epoch of this worker, the current one or an earlier one."""
        return owner == self._worker or owner.startswith(f"{self._worker}+")

    def owners(self) -> set[str]:
        """Return the owners that need a heartbeat: the current one, those of claims in flight and in progress."""
        return {self.owner, *self._claiming, *(claim.owner for claim in list(self._claims.values()))}

    def oldest_ms(self) -> Mapping[Lane, int]:
        """Return for each lane with claims the time (ms) of its oldest one. Reads all: some thousands at most."""
        oldest: dict[Lane, int] = {}
        for claim in list(self._claims.values()):
            oldest[claim.lane] = min(claim.at_ms, oldest.get(claim.lane, claim.at_ms))
        return oldest
