"""Suppressions: addresses that are not mailed, known only by `address_key`."""

import re
from dataclasses import dataclass
from typing import Any

import orjson

from service.model.ids import address_key
from service.model.mask import mask_text
from service.model.reasons import Reason


@dataclass(frozen=True, slots=True)
class Suppression:
    """Why an address is not mailed, and since when (ms). `detail` never holds the address.

    `until_ms`: mailed again from then on; 0: until an operator allows it.
    """

    reason: Reason
    at_ms: int
    detail: str = ""
    until_ms: int = 0

    def stands(self, now_ms: int) -> bool:
        """Whether it still stops mail."""
        return not self.until_ms or now_ms < self.until_ms

    def to_bytes(self) -> bytes:
        """As the table and its topic hold it; the time is the row's version too."""
        kept: dict[str, str | int] = {
            "reason": self.reason.value,
            "at_ms": self.at_ms,
            "detail": self.detail,
            "version": self.at_ms,
        }
        if self.until_ms:
            kept["until_ms"] = self.until_ms
        return orjson.dumps(kept)

    @classmethod
    def from_bytes(cls, value: bytes) -> "Suppression":
        """A row of the table. Raises ValueError, KeyError or TypeError when it is none."""
        kept: dict[str, Any] = orjson.loads(value)
        return cls(
            Reason(kept["reason"]),
            int(kept["at_ms"]),
            str(kept.get("detail", "")),
            int(kept.get("until_ms", 0)),
        )


def suppression(
    address: str, reason: Reason, at_ms: int, detail: str = "", until_ms: int = 0
) -> tuple[str, Suppression]:
    """The key and the row for an address. Where `detail` quotes the address, it is left out."""
    if bare := address.strip():
        detail = re.sub(re.escape(bare), "…", detail, flags=re.IGNORECASE)
    return address_key(address), Suppression(reason, at_ms, mask_text(detail)[:300], until_ms)
