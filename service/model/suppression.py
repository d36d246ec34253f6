"""Suppressions: addresses that are not mailed, known only by `address_key`."""

from dataclasses import dataclass

from service.model.ledger import Reason


@dataclass(frozen=True, slots=True)
class Suppression:
    """Why an address is not mailed, and since when (ms). `detail` never holds the address."""

    reason: Reason
    at_ms: int
    detail: str = ""
