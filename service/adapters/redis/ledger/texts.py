"""Short texts in the ledger's rows and heads: a length and UTF-8; UUIDs and pseudonyms of addresses as their bytes."""

import re
from functools import lru_cache
from uuid import UUID

from service.model.ids import is_pseudonym, pseudonym_key

_MOST = 250
_PSEUDONYM, _UUID, _LONG = 253, 254, 255
_SIZES = {_PSEUDONYM: 12, _UUID: 16}
_IS_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}").fullmatch
_IS_ADDRESS_KEY = re.compile(r"[0-9a-f]{24}").fullmatch


def text_bytes(text: str) -> bytes:
    """Return a text with its length: 1 byte up to 250 bytes, else 255 and 2 bytes; 65,535 bytes at most.

    A UUID in lower case is 254 and its 16 bytes, the pseudonym of an address 253 and 12 bytes.
    """
    if len(text) == 36 and _IS_UUID(text):
        return b"\xfe" + bytes.fromhex(text.replace("-", ""))
    if len(text) == 29 and is_pseudonym(text) and _IS_ADDRESS_KEY(key := pseudonym_key(text)):
        return b"\xfd" + bytes.fromhex(key)
    octets = text.encode(errors="surrogatepass")
    if len(octets) <= _MOST:
        return bytes((len(octets),)) + octets
    octets = octets[:65_535]
    return b"\xff" + len(octets).to_bytes(2, "big") + octets


repeated_text_bytes = lru_cache(maxsize=16_384)(text_bytes)
"""The same for a text that many events have, as a recipient."""


def read_text(octets: bytes, place: int) -> tuple[str, int]:
    """Return the text at a place, and the place after it. Raise ValueError, or IndexError at the end."""
    kind = size = octets[place]
    place += 1
    if kind == _LONG:
        size = int.from_bytes(octets[place : place + 2], "big")
        place += 2
    size = _SIZES.get(kind, size)
    end = place + size
    if len(octets) < end:
        raise ValueError("not a text of the ledger")
    if kind == _UUID:
        return str(UUID(bytes=octets[place:end])), end
    if kind == _PSEUDONYM:
        return f"addr-{octets[place:end].hex()}", end
    return octets[place:end].decode(errors="surrogatepass"), end
