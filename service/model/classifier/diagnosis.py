"""The result of a classification: who is at fault, how sure that is, and what follows."""

from dataclasses import dataclass
from enum import StrEnum

from service.model.mail import SendStatus
from service.model.reasons import ResultReason


class SmtpPhase(StrEnum):
    """The step of the dialogue that a reply answers (RFC 5321 section 3). Up to `auth` there is no message."""

    greeting = "greeting"
    ehlo = "ehlo"
    starttls = "starttls"
    auth = "auth"
    mail = "mail"
    rcpt = "rcpt"
    data = "data"
    final = "final"  # the reply to the end of data


class Fault(StrEnum):
    """The party that has to change something before a message like this one is accepted."""

    mailbox = "mailbox"  # the recipient's: unknown, full, disabled, or it accepts some senders only
    domain = "domain"  # the recipient's domain or its server
    content = "content"  # this message
    sender = "sender"  # our sender address or its domain: SPF, DKIM, DMARC, ownership
    host = "host"  # our host: its address, its reputation, its names
    account = "account"  # our account at the relay: credentials, state, quota
    rate = "rate"  # too much at once
    network = "network"  # a server or a route that is unavailable for a while
    unclear = "unclear"

    @property
    def ours(self) -> bool:
        """Return whether an operator of ours has to act: such a message waits, and never counts against a recipient."""
        return self in (Fault.sender, Fault.host, Fault.account)


class Certainty(StrEnum):
    """How sure the fault is."""

    certain = "certain"  # the text or a specific code names it
    likely = "likely"  # a code that servers use for several things
    unclear = "unclear"  # only the class of the code is known


class RelayEffect(StrEnum):
    """The effect of a reply on the relay or the connection, besides the one on the message."""

    none = "none"
    rotate = "rotate"  # this connection has ended; that is no failure
    broken = "broken"  # this connection's dialogue is broken: several of those in a row stop the relay
    cooldown = "cooldown"  # the relay limits us: leave it alone for a while
    misconfigured = "misconfigured"  # the relay refuses us: pause until an operator has acted


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Who is at fault for a refusal or a returned message, and what follows.

    `status`: `bounced` closes the delivery, `deferred` waits at least `retry_after_s` seconds, `unsent` is tried at
    the next relay, `accepted` is no failure. `suppress`: the mailbox or its domain does not exist or is given up.
    `scores`: the mailbox cannot take mail for a while, which adds to its soft-bounce score. `effect` is the one on the
    relay: at once where `at_once`, else when unrelated recipients have met the same. `rule` names the row of the table.
    """

    rule: str
    fault: Fault
    certainty: Certainty
    status: SendStatus
    reason: ResultReason
    suppress: bool = False
    scores: bool = False
    retry_after_s: float | None = None
    effect: RelayEffect = RelayEffect.none
    at_once: bool = False

    @property
    def judged(self) -> bool:
        """Return False for a returned message in which no code and no word is known."""
        return self.rule != "unjudged"
