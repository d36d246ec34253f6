"""What goes to a relay and what comes back of it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class OutgoingMail:
    """One mail for one recipient.

    `sender` is the envelope's MAIL FROM and may be empty; `recipient` is exactly one addr-spec. `content` is
    a whole RFC 5322 message with CRLF lines, ending in CRLF, not dot-stuffed.
    """

    delivery_id: str
    sender: str
    recipient: str
    content: bytes


class Reply(NamedTuple):
    """What a server said: the code, the enhanced code (RFC 3463, or empty), the text without controls."""

    code: int
    enhanced: str
    text: str

    def __str__(self) -> str:
        return " ".join(filter(None, (str(self.code), self.enhanced, self.text)))


class SendStatus(StrEnum):
    """What handing a mail to a relay came to."""

    accepted = "accepted"  # the relay answers for it now
    deferred = "deferred"  # not taken this time; the attempt counts
    bounced = "bounced"  # will never be taken
    ambiguous = "ambiguous"  # the final dot may have been seen, no final reply was read
    unsent = "unsent"  # nothing was attempted for this mail; burns no attempt


class SendReason(StrEnum):
    """Why. Values of statuses other than `unsent` and `accepted` are reasons of the ledger too."""

    accepted = "accepted"
    # deferred or bounced, as the relay's reply says
    greylisted = "greylisted"
    rate_limited = "rate_limited"
    mailbox_full = "mailbox_full"
    mailbox_unknown = "mailbox_unknown"
    mailbox_disabled = "mailbox_disabled"
    domain_unknown = "domain_unknown"
    spam_refused = "spam_refused"
    policy_refused = "policy_refused"
    too_big = "too_big"
    relaying_denied = "relaying_denied"  # this and the next also as `unsent`, once they pause the channel
    sender_refused = "sender_refused"
    relay_busy = "relay_busy"
    temporary = "temporary"
    permanent = "permanent"
    # seen by ourselves
    invalid_address = "invalid_address"
    invalid_content = "invalid_content"
    smtputf8_unsupported = "smtputf8_unsupported"
    eightbit_unsupported = "eightbit_unsupported"
    relay_unavailable = "relay_unavailable"
    malformed_reply = "malformed_reply"
    lost_after_data = "lost_after_data"
    # unsent: the channel pauses, no attempt is burned
    auth_failed = "auth_failed"
    misconfigured = "misconfigured"
    closing = "closing"


class SendResult(NamedTuple):
    """What became of one mail.

    `phase` is the step of the SMTP dialogue that decided it: "" where none did. `suppress`: the mailbox is at
    fault and should not be mailed again. `retry_after_s`: seconds that the reply, or our own rest, asks for.
    """

    status: SendStatus
    reason: SendReason
    reply: Reply | None = None
    relay: str = ""
    phase: str = ""
    suppress: bool = False
    retry_after_s: float | None = None
