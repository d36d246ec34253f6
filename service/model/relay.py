"""The health of a relay, as readiness, metrics and `doctor` report it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from service.model.mask import mask_text
from service.model.reasons import Reason, ResultReason, SendReason, result_reason


class RelayState(StrEnum):
    """The state of a relay; the values are published. `trial`: the cooldown is over, one message at a time is sent."""

    ok = "ok"
    trial = "trial"
    cooldown = "resting"
    breaker_open = "breaker_open"
    misconfigured = "misconfigured"


@dataclass(frozen=True, slots=True)
class RelayHealth:
    """One relay, for readiness and metrics. `cooldown_left_s`: seconds until the next try, 0.0 for now.

    `since_ms`: since when it is in this state.
    """

    relay: str
    state: RelayState
    reason: ResultReason | None
    detail: str
    cooldown_left_s: float
    connections: int
    in_flight: int
    queued: int
    since_ms: int = 0

    @property
    def report(self) -> "RelayReport":
        """Return what other processes learn about it. A reply often repeats the recipient's address: it is masked."""
        detail = mask_text(self.detail)[:300]
        return RelayReport(self.relay, self.state, self.since_ms, self.reason or Reason.none, detail)


REMEDIES: Mapping[str, str] = {
    SendReason.auth_failed: "check the user name and the password of this relay",
    SendReason.misconfigured: "check security (none, starttls, tls), ca_file and the port of this relay",
    Reason.account_refused: "check the account at this relay: its state, its quota, its login and its TLS",
    Reason.sender_refused: "allow this account to send as TOCSIN_MAIL__SENDER and the return address",
    Reason.sender_unauthenticated: "publish SPF and DKIM records by which this relay may send for the sender's domain",
    Reason.host_refused: "check the name in EHLO, the reverse DNS entry and the reputation of the address that sends",
    Reason.relaying_denied: "allow this host or account to send through this relay",
    Reason.rate_limited: "lower TOCSIN_SMTP__RATE, or raise the quota at this relay",
    Reason.relay_unavailable: "start the relay, or check TOCSIN_SMTP__HOST, TOCSIN_SMTP__PORT and the network",
}
"""What an operator can do, by the reason for the state of a relay."""


class RelayReport(NamedTuple):
    """A relay as one worker sees it, for `explain` and `doctor`. `since_ms`: since when it is in this state."""

    relay: str
    state: RelayState
    since_ms: int
    reason: ResultReason
    detail: str
    worker: str = ""

    @property
    def remedy(self) -> str:
        """Return what an operator can do; empty where nothing needs to be done."""
        return "" if self.state is RelayState.ok else REMEDIES.get(self.reason, "")

    def document(self) -> dict[str, str | int]:
        """Return it as JSON holds it."""
        return {
            "worker": self.worker,
            "relay": self.relay,
            "state": self.state.value,
            "since_ms": self.since_ms,
            "reason": self.reason.value,
            "detail": self.detail,
            "remedy": self.remedy,
        }

    @classmethod
    def from_document(cls, fields: Mapping[str, Any]) -> "RelayReport":
        """Return the report in a document. Raise KeyError, TypeError or ValueError for any other."""
        return cls(
            str(fields["relay"]),
            RelayState(fields["state"]),
            int(fields["since_ms"]),
            result_reason(str(fields["reason"])),
            str(fields["detail"]),
            str(fields["worker"]),
        )
