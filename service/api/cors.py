"""Cross-origin requests of web pages (WHATWG Fetch, section 3.3): which origins may read responses.

The API has no cookies but the console's, and its responses never allow credentials: a page calls with a token that it
holds, or not at all. So an origin that is refused can do nothing that a program without a browser could not do.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache

from service.model.urls import origin_patterns

Headers = Sequence[tuple[bytes, bytes]]
_VARY: Headers = ((b"vary", b"Origin"),)
_REQUEST_HEADERS = (
    "Accept, Accept-Language, Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Last-Event-ID, "
    "Traceparent, Tracestate"
)
_RESPONSE_HEADERS = (
    b"Allow, ETag, Location, RateLimit-Limit, RateLimit-Policy, RateLimit-Remaining, RateLimit-Reset, Retry-After, "
    b"WWW-Authenticate"
)
_MAX_AGE_S = 7200  # what Chromium keeps the answer to a preflight at most
_LONGEST_ORIGIN_BYTES = 300


class CorsPolicy:
    """The origins whose pages may call the API; none when `origins` is empty."""

    def __init__(self, origins: str) -> None:
        """`origins`: a comma-separated list of origins and patterns. Raise ValueError."""
        self._patterns = origin_patterns(origins)
        self._is_allowed = lru_cache(maxsize=1024)(self._matches)

    def headers(self, request_headers: Iterable[tuple[bytes, bytes]]) -> Headers:
        """Return the headers of a response. They vary by origin, so that no cache gives one page's to another."""
        if not self._patterns:
            return ()
        origin = _origin_of(request_headers)
        if origin is None or not self._is_allowed(origin):
            return _VARY
        return (
            *_VARY,
            (b"access-control-allow-origin", origin),
            (b"access-control-expose-headers", _RESPONSE_HEADERS),
        )

    def preflight_headers(
        self, request_headers: Iterable[tuple[bytes, bytes]], methods: str
    ) -> dict[str, str]:
        """Return what the response to a preflight has besides `headers`; nothing for a request that is none."""
        names = dict(request_headers)
        origin = names.get(b"origin")
        if origin is None or b"access-control-request-method" not in names or not self._is_allowed(origin):
            return {}
        return {
            "Access-Control-Allow-Methods": methods,
            "Access-Control-Allow-Headers": _REQUEST_HEADERS,
            "Access-Control-Max-Age": str(_MAX_AGE_S),
        }

    def _matches(self, origin: bytes) -> bool:
        if len(origin) > _LONGEST_ORIGIN_BYTES:
            return False
        text = origin.decode("latin-1")
        return any(pattern.fullmatch(text) for pattern in self._patterns)


def _origin_of(headers: Iterable[tuple[bytes, bytes]]) -> bytes | None:
    """Return the one Origin of a request, or None."""
    origins = [value for name, value in headers if name == b"origin"]
    return origins[0] if len(origins) == 1 else None
