"""The health of a relay, as readiness, metrics and `doctor` report it."""

from dataclasses import dataclass
from enum import StrEnum

from service.model.reasons import ResultReason


class RelayState(StrEnum):
    """The state of a relay; the values are published. `trial`: the cooldown is over, one message at a time is sent."""

    ok = "ok"
    trial = "trial"
    cooldown = "resting"
    breaker_open = "breaker_open"
    misconfigured = "misconfigured"


@dataclass(frozen=True, slots=True)
class RelayHealth:
    """One relay, for readiness and metrics. `cooldown_left_s`: seconds until the next try, 0.0 for now."""

    relay: str
    state: RelayState
    reason: ResultReason | None
    detail: str
    cooldown_left_s: float
    connections: int
    in_flight: int
    queued: int
