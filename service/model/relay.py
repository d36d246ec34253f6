"""The health of a relay, as readiness, metrics and `doctor` report it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from service.model.mail import Reply
from service.model.mask import mask_text
from service.model.reasons import Reason, ResultReason, SendReason

_MOST_CHARACTERS = 300


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

    `since_ms`: since when it is in this state. `accepted` counts messages since the start. `replies`: the last ones,
    with their times (ms), the newest first.
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
    accepted: int = 0
    replies: Sequence[tuple[int, Reply]] = ()

    @property
    def report(self) -> "RelayReport":
        """Return what other processes learn about it. A reply often repeats the recipient's address: it is masked."""
        return RelayReport(
            relay=self.relay,
            state=self.state,
            since_ms=self.since_ms,
            reason=self.reason or Reason.none,
            detail=_shown(self.detail),
            connections=self.connections,
            in_flight=self.in_flight,
            queued=self.queued,
            replies=[
                RelayReply(
                    at_ms=at_ms, code=reply.code, text=_shown(f"{reply.enhanced} {reply.text}".strip())
                )
                for at_ms, reply in self.replies
            ],
        )


def _shown(text: str) -> str:
    return mask_text(text)[:_MOST_CHARACTERS]


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


class RelayReply(BaseModel):
    """A reply of a relay to a message: when it came (ms), its code, and its text without addresses."""

    model_config = ConfigDict(frozen=True)

    at_ms: int
    code: int
    text: str


class RelayReport(BaseModel):
    """A relay as one worker sees it. `since_ms`: since when it is in this state.

    `rate`: messages a second that it accepted in the last minute. `replies`: its last ones, the newest first.
    """

    model_config = ConfigDict(frozen=True)

    worker: str = ""
    relay: str
    state: RelayState
    since_ms: int
    reason: ResultReason = Reason.none
    detail: str = ""
    rate: float = 0.0
    connections: int = 0
    in_flight: int = 0
    queued: int = 0
    replies: tuple[RelayReply, ...] = ()

    @property
    def remedy(self) -> str:
        """Return what an operator can do; empty where nothing needs to be done."""
        return "" if self.state is RelayState.ok else REMEDIES.get(self.reason, "")

    def document(self) -> dict[str, str | int]:
        """Return it as `explain` shows it."""
        return {
            "worker": self.worker,
            "relay": self.relay,
            "state": self.state.value,
            "since_ms": self.since_ms,
            "reason": self.reason.value,
            "detail": self.detail,
            "remedy": self.remedy,
        }
