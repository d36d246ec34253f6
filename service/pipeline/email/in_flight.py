"""The claims of this worker that are not settled yet: messages whose results the ledger does not have."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

from service.model.catalogue import Lane
from service.model.delivery import Delivery

ALIVE_S = 8.0
"""The TTL of a heartbeat in seconds: so long after an owner's last one, its claims may be taken over."""


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
    """

    def __init__(self, worker: str) -> None:
        self.owner = worker
        self._worker = worker
        self._epoch = 0
        self._claims: dict[str, _Claim] = {}
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

    def add(self, delivery: Delivery, at_ms: int, owner: str) -> None:
        """Add a delivery that has been claimed under this owner."""
        self._claims[delivery.id] = _Claim(delivery.lane, at_ms, owner)

    def remove(self, delivery_ids: Iterable[str]) -> None:
        """Remove deliveries whose state is in the ledger."""
        for delivery_id in delivery_ids:
            self._claims.pop(delivery_id, None)

    def renew_epoch(self, delivery_ids: Iterable[str]) -> None:
        """Start a new epoch, and remove deliveries whose messages were not begun.

        These may be claimed in the ledger, and so may others, where the reply to a claim was lost.
        """
        self.remove(delivery_ids)
        self._epoch += 1
        self.owner = f"{self._worker}+{self._epoch}"

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
