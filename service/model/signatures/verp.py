"""Envelope senders that carry their delivery (VERP). A returned address is trusted only if its signature is ours.

Other servers change addresses: they fold letters to lower case, and put their own signature around the local part,
as SRS (`SRS0=hash=time=domain=LOCAL@forwarder`), BATV (`prvs=tag=LOCAL`) and subaddresses (`bounces+LOCAL`) do. So the
local part is found inside such a text; its own signature is proof enough, whatever is around it.
"""

import re
from base64 import b32decode
from collections.abc import Sequence
from hashlib import blake2b
from typing import NamedTuple

from service.model.address import ascii_domain, mailbox
from service.model.delivery import Delivery
from service.model.ids import DELIVERY_BYTES, address_key, event_of_delivery
from service.model.signatures import Mac, Signer

_HINT_BYTES, _SIGNATURE_BYTES = 6, 12
_PAYLOAD_BYTES = DELIVERY_BYTES + _HINT_BYTES
_LENGTH = 61  # base32 of all of it: with the prefix 63, where RFC 5321 section 4.5.3.1.1 allows 64
_PREFIX = "b-"
# begins with a literal, which is searched for many times as fast as anything else
_ENCODED = re.compile(rf"{_PREFIX}(?<![a-z0-9]{_PREFIX})[a-z2-7]{{{_LENGTH}}}(?![a-z0-9])", re.ASCII)
_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"
_PAIRS = [first + second for first in _LETTERS for second in _LETTERS]


class Origin(NamedTuple):
    """The payload of an envelope sender: a delivery, its event, and how the `address_key` of its address begins."""

    delivery: str
    event: str
    hint: str

    def sent_to(self, address: str) -> bool:
        """Return whether the message was sent to this address."""
        return address_key(address).startswith(self.hint)


def candidates(text: str) -> list[str]:
    """Return the texts that may be local parts of ours, in lower case; the signature decides."""
    return _ENCODED.findall(text.lower())


class Verp:
    """Makes and reads envelope senders. `secrets`: the first signs, all of them verify.

    Letters are lower case, since some servers change them to that.
    """

    def __init__(self, secrets: Sequence[str], domain: str) -> None:
        self.domain = (ascii_domain(domain) or domain).lower().removesuffix(".")
        self._signer = Signer(secrets, "verp", _SIGNATURE_BYTES, earlier=[_keyed_blake2b])

    def address(self, delivery: Delivery) -> str:
        """Return the envelope sender of a delivery; costs some 6 µs."""
        payload = bytes.fromhex(delivery.id + address_key(delivery.address)[: 2 * _HINT_BYTES])
        return f"{_PREFIX}{_base32(payload + self._signer.sign(payload))}@{self.domain}"

    def in_domain(self, address: str) -> bool:
        """Return whether an address is in the bounce domain, signed or not."""
        return mailbox(address.strip("<> ")).rpartition("@")[2] == self.domain

    def read(self, address: str) -> Origin | None:
        """Return the payload of an address in our domain; None unless its local part holds one with our signature."""
        return self.find(address.rpartition("@")[0]) if self.in_domain(address) else None

    def find(self, text: str) -> Origin | None:
        """Return the payload of the first local part with our signature in a text, such as an address of SRS."""
        return next(filter(None, map(self._verified, candidates(text))), None)

    def _verified(self, candidate: str) -> Origin | None:
        octets = b32decode(candidate.removeprefix(_PREFIX).upper() + "===")
        payload, signature = octets[:_PAYLOAD_BYTES], octets[_PAYLOAD_BYTES:]
        if not self._signer.verify(payload, signature):
            return None
        delivery = payload[:DELIVERY_BYTES].hex()
        return Origin(delivery, event_of_delivery(delivery), payload[DELIVERY_BYTES:].hex())


def _keyed_blake2b(secret: str) -> Mac:
    """Return what signed return addresses up to version 0.1."""
    key = blake2b(b"tocsin verp\0" + secret.encode(), digest_size=32).digest()
    return lambda payload: blake2b(payload, digest_size=_SIGNATURE_BYTES, key=key).digest()


def _base32(octets: bytes) -> str:
    """Return RFC 4648 base32 in lower case, without padding; in half the time of the standard library."""
    bits = int.from_bytes(octets, "big") << 6  # 304 bits, in 31 times 10
    return "".join([_PAIRS[bits >> shift & 1023] for shift in range(300, -1, -10)])[:_LENGTH]
