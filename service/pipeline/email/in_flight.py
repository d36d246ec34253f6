"""What this worker has claimed and not marked yet: the mail whose answer it owes to the ledger."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

from service.model.catalogue import Lane
from service.model.delivery import Delivery

ALIVE_S = 8.0
"""How long a sign of life counts: so long after a worker's last one, its claims may be taken."""


class _Claim(NamedTuple):
    lane: Lane
    at_ms: int
    name: str


class InFlight:
    """Deliveries that are `sending` by this worker's doing, with their lanes and since when (ms).

    Claims hang on a name that lives. One whose answer was lost, or whose mail was never begun, would hang on it for
    as long as the worker lives, also when its record has gone to another worker: so this one takes a new `name` for
    what it claims from then on, and the old one lives no longer than the mails that were begun under it.
    """

    def __init__(self, owner: str) -> None:
        self.name = owner
        self._owner = owner
        self._renewed = 0
        self._claimed: dict[str, _Claim] = {}
        self._asking: list[str] = []

    def __contains__(self, delivery: object) -> bool:
        return delivery in self._claimed

    @contextmanager
    def asking(self, name: str) -> Iterator[None]:
        """While claims are made under this name."""
        self._asking.append(name)
        try:
            yield
        finally:
            self._asking.remove(name)

    def add(self, delivery: Delivery, at_ms: int, name: str) -> None:
        """It has been claimed under this name."""
        self._claimed[delivery.id] = _Claim(delivery.lane, at_ms, name)

    def difference_update(self, deliveries: Iterable[str]) -> None:
        """The ledger knows what became of these."""
        for delivery in deliveries:
            self._claimed.pop(delivery, None)

    def renew_epoch(self, deliveries: Iterable[str]) -> None:
        """Nothing was begun for these, though they may be claimed; others may be whose answer was lost."""
        self.difference_update(deliveries)
        self._renewed += 1
        self.name = f"{self._owner}+{self._renewed}"

    def ours(self, name: str) -> bool:
        """Whether this worker goes by this name, or did."""
        return name == self._owner or name.startswith(f"{self._owner}+")

    def names(self) -> set[str]:
        """The names that must live: the present one, and those of mails in flight and of claims being made."""
        return {self.name, *self._asking, *(claim.name for claim in list(self._claimed.values()))}

    def oldest_ms(self) -> Mapping[Lane, int]:
        """For each lane that has any, since when its oldest is claimed. Reads all: some thousands at most."""
        oldest: dict[Lane, int] = {}
        for claim in list(self._claimed.values()):
            oldest[claim.lane] = min(claim.at_ms, oldest.get(claim.lane, claim.at_ms))
        return oldest
