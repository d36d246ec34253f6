"""Envelope senders that name their delivery (VERP): what comes back is believed only if the signature is ours."""

import hmac
from base64 import b32decode
from binascii import Error
from collections.abc import Sequence
from hashlib import blake2b
from typing import NamedTuple

from service.model.delivery import Delivery
from service.model.ids import address_key

_ID, _HINT, _SIGNATURE = 12, 6, 8  # octets
_NAMED = 2 * _ID + _HINT
_LENGTH = 61  # base32 of all of it: with the prefix 63, where RFC 5321 section 4.5.3.1.1 allows 64
_PREFIX = "b-"
_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"
_PAIRS = [first + second for first in _LETTERS for second in _LETTERS]


class Origin(NamedTuple):
    """The delivery that a sender names, its event, and how the `address_key` of the address it went to begins."""

    delivery: str
    event: str
    hint: str

    def went_to(self, address: str) -> bool:
        """Whether the mail went to this address."""
        return address_key(address).startswith(self.hint)


class Verp:
    """`secrets`: the first signs, all of them verify. Letters are lower case, since some servers make them so."""

    def __init__(self, secrets: Sequence[str], domain: str) -> None:
        self.domain = domain.lower()
        self._keys = [
            blake2b(b"tocsin verp\0" + secret.encode(), digest_size=32).digest() for secret in secrets
        ]

    def address(self, delivery: Delivery) -> str:
        """The sender for a delivery; costs some 6 µs."""
        named = bytes.fromhex(delivery.id + delivery.event + address_key(delivery.address)[: 2 * _HINT])
        return f"{_PREFIX}{_base32(named + self._signature(self._keys[0], named))}@{self.domain}"

    def ours(self, address: str) -> bool:
        """Whether it is at our domain, signed or not."""
        return address.strip("<> ").lower().rpartition("@")[2] == self.domain

    def read(self, address: str) -> Origin | None:
        """What a sender names; None unless it is at our domain and its signature is ours."""
        local, _, domain = address.strip("<> ").lower().rpartition("@")
        coded = local.removeprefix(_PREFIX)
        if domain != self.domain or coded == local or len(coded) != _LENGTH or not coded.isascii():
            return None
        try:
            octets = b32decode(coded.upper() + "===")
        except (Error, ValueError):
            return None
        named, signature = octets[:_NAMED], octets[_NAMED:]
        if not any(hmac.compare_digest(self._signature(key, named), signature) for key in self._keys):
            return None
        text = named.hex()
        return Origin(text[: 2 * _ID], text[2 * _ID : 4 * _ID], text[4 * _ID :])

    @staticmethod
    def _signature(key: bytes, named: bytes) -> bytes:
        return blake2b(named, digest_size=_SIGNATURE, key=key).digest()


def _base32(octets: bytes) -> str:
    """RFC 4648 in lower case, without padding; half of what the standard library takes."""
    bits = int.from_bytes(octets, "big") << 6  # 304 bits, in 31 times 10
    return "".join([_PAIRS[bits >> shift & 1023] for shift in range(300, -1, -10)])[:_LENGTH]
