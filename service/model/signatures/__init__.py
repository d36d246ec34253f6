"""The keys of all tokens and return addresses, and the one scheme that signs what leaves in mail and comes back.

A signature is an HMAC-SHA256 (RFC 2104) under a key that is derived from a secret for one purpose, so what is signed
for one is never valid for another. Of several secrets the first one signs and all of them verify, so that a secret can
be replaced while mail that was sent under the one before is still answered.
"""

import hmac
from collections.abc import Callable, Sequence
from functools import partial
from hashlib import blake2b, sha256

Mac = Callable[[bytes], bytes]
"""The signature of a content, under a key."""


def signing_key(secret: str, purpose: str) -> bytes:
    """Return the 32 bytes of the key that signs for a purpose."""
    return sha256(f"tocsin {purpose}\0{secret}".encode()).digest()


def encryption_key(secret: str, purpose: str) -> bytes:
    """Return the 64 bytes of the key that encrypts for a purpose, whose name has nine bytes at most."""
    return blake2b(secret.encode(), digest_size=64, person=f"tocsin-{purpose}".encode()).digest()


class Signer:
    """Signs and verifies for one purpose.

    `size_bytes`: a signature is cut to its first bytes, where it must be short (RFC 2104, section 5).
    `earlier`: the schemes that signed for this purpose in former versions, whose mail may still be answered; each makes
    of a secret what signs with it. They verify and never sign. Keys are derived once: a signature costs some 2 µs.
    """

    def __init__(
        self,
        secrets: Sequence[str],
        purpose: str,
        size_bytes: int = 32,
        earlier: Sequence[Callable[[str], Mac]] = (),
    ) -> None:
        if not secrets or not all(secrets):
            raise ValueError(f"signing needs a secret: {purpose}")
        keys = [signing_key(secret, purpose) for secret in secrets]
        macs: list[Mac] = [partial(_hmac_sha256, size_bytes, key) for key in keys]
        self._macs = [*macs, *(scheme(secret) for scheme in earlier for secret in secrets)]

    def sign(self, content: bytes) -> bytes:
        """Return the signature of a content."""
        return self._macs[0](content)

    def verify(self, content: bytes, signature: bytes) -> bool:
        """Return whether one of the secrets signed this content; compares in constant time."""
        return any(hmac.compare_digest(mac(content), signature) for mac in self._macs)


def _hmac_sha256(size_bytes: int, key: bytes, content: bytes) -> bytes:
    return hmac.digest(key, content, "sha256")[:size_bytes]
