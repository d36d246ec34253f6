"""What a request's head must have beyond what the parser checks (RFC 9112)."""

from collections.abc import Sequence
from urllib.parse import urlsplit

_HTTP_VERSIONS = frozenset({"1.0", "1.1"})
SERVER_WIDE = b"/*"
"""The path that stands for the target `*`, which asks about the server itself (RFC 9112, section 3.2.4)."""


def check_head(version: str, hosts: int, codings: Sequence[bytes]) -> tuple[int, str] | None:
    """Return the status and text of the error in a head, or None.

    `hosts`: the number of Host fields. `codings`: the values of Transfer-Encoding.
    """
    if version not in _HTTP_VERSIONS:
        return 505, "The version must be HTTP/1.1 or HTTP/1.0."
    if hosts > 1 or (not hosts and version == "1.1"):
        return 400, "A request has exactly one Host header (RFC 9112, section 3.2)."
    if codings and [value.strip().lower() for value in codings] != [b"chunked"]:
        return 501, "The only transfer coding is chunked."
    if codings and version == "1.0":
        return 400, "HTTP/1.0 has no transfer codings."
    return None


def normal_target(method: bytes, target: bytes) -> bytes:
    """Return a request target in origin form, path and query. Raise ValueError for one that is not valid.

    The target of a proxy's request, in absolute form, becomes its path and query (RFC 9112, section 3.2.2).
    """
    text = target.decode("ascii")
    if text == "*" and method == b"OPTIONS":
        return SERVER_WIDE
    if text.startswith("/"):
        return target
    parts = urlsplit(text)
    if parts.scheme.lower() not in ("http", "https") or not parts.netloc:
        raise ValueError("not a request target")
    query = f"?{parts.query}" if parts.query else ""
    return f"{parts.path or '/'}{query}".encode()
