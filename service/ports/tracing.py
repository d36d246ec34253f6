"""Spans of traces: one call a span, after the work that it covers."""

from collections.abc import Mapping
from typing import Literal, Protocol


class Tracer(Protocol):
    """A recorder of spans. A `traceparent` (W3C Trace Context) names a span to other processes; "" is none."""

    def span(
        self,
        name: str,
        parent: str,
        start_ns: int,
        attributes: Mapping[str, str | int],
        *,
        kind: Literal["consumer", "client"] = "consumer",
        failed: bool = False,
    ) -> str:
        """Record a span from `start_ns` (ns since the epoch) to now; return its traceparent."""
        ...
