# ruff: noqa: E501 - a rule of the table stays on one line
"""Decide what a refusal means: one table, searched from the top; the first rule that matches decides.

Sources: RFC 5321 section 4.2 (reply codes), RFC 3463 section 3 and the IANA registry of RFC 5248 (enhanced codes), the
sections named beside the rules, and the texts that large providers use.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from service.model.mail import Reply, SendStatus
from service.model.reasons import Reason, ResultReason, SendReason


class SmtpPhase(StrEnum):
    """The step of the dialogue that a reply answers (RFC 5321 section 3.3)."""

    mail = "mail"
    rcpt = "rcpt"
    data = "data"
    final = "final"  # the reply to the end of data


class Effect(StrEnum):
    """The effect of a reply on the relay or the connection, besides the one on the message."""

    none = "none"
    rotate = "rotate"  # this connection has ended; that is no failure
    cooldown = "cooldown"  # the relay asks us to stop for a while
    fault = "fault"  # our settings are wrong: pause until an operator helps
    suspect = "suspect"  # a fault if the next messages are refused too


@dataclass(frozen=True, slots=True)
class ReplyMeaning:
    """The result for the message and the effect on the relay. `retry_after_s` in seconds."""

    status: SendStatus
    reason: ResultReason
    suppress: bool = False
    retry_after_s: float | None = None
    effect: Effect = Effect.none


@dataclass(frozen=True, slots=True)
class ReplyRule:
    """A row of the table. `pattern` is searched in "code enhanced-or-dash text"; empty `phases` match any phase."""

    name: str
    pattern: re.Pattern[str]
    meaning: ReplyMeaning
    phases: frozenset[SmtpPhase]


_MAIL, _RCPT = SmtpPhase.mail, SmtpPhase.rcpt
_MINUTE_S, _HOUR_S = 60.0, 3600.0
_FULL = r"(mail ?box|quota|inbox|storage).{0,40}(full|exceed|limit|over)|(over|out of|exceed\w*).{0,20}(quota|storage)"
_SPAM = (
    r"spam|spamhaus|(black|block|deny) ?-?list|blocked using|\b(rbl|dnsbl)\b|reputation|unsolicited|"
    r"junk|virus|malware|phish|bulk mail|user complaints"
)
_RATE = (
    r"rate[ -]?limit|throttl|too (many|much|fast|frequent)|slow down|receiving mail (at a rate|too quickly)|"
    r"(exceed|limit)\w*.{0,40}(messages|mails|recipients|connections|rate|per (hour|minute|day|second))|"
    r"unusual rate|concurren|max\w* (connection|rate)"
)
_UNKNOWN = (
    r"(user|account|mailbox|recipient|address|person|customer)\b.{0,60}(unknown|not (found|exist|known|available|valid)|"
    r"(doesn.?t|does not|not) (exist|have)|undeliverable|no longer|invalid)|"
    r"(unknown|no such|invalid|bad destination|undeliverable) (local )?(user|mailbox|recipient|address|account|person|"
    r"customer)|no mailbox (here )?by that name|mailbox unavailable|not our customer|unrouteable address|"
    r"recipient (address )?rejected: access denied"
)
_DISABLED = (
    r"(mail ?box|account|user|recipient)\b.{0,40}(disabled|inactive|suspended|locked|closed|terminated|deactivated|"
    r"not active|blocked from receiving)|(disabled|inactive|suspended) (mail ?box|account|user|recipient)"
)
_RELAYING = r"relay(ing)?( access| is| was)? (denied|not (permitted|allowed)|prohibited)|(unable|not (permitted|allowed)) to relay"
_NOT_OURS = (
    r"not owned by|(not|n.t) (have )?(permission|permissions|permitted|allowed|authori[sz]ed) to (send|use)|"
    r"send as|sender.{0,40}not (verified|authori[sz]ed|permitted|allowed)"
)
_AUTHENTICATE = r"authenticat\w* (is )?(required|needed|failed)|(must|need to|not) (be )?(authenticated?|log ?in)|smtp auth"
_SIZE = r"(message|mail|size|content).{0,40}(too (big|large|long)|exceed)|(exceed|too).{0,30}(message|mail|maximum) size"


def _rule(
    name: str, pattern: str, status: SendStatus, reason: ResultReason, *phases: SmtpPhase,
    suppress: bool = False, after_s: float | None = None, effect: Effect = Effect.none,
) -> ReplyRule:  # fmt: skip
    meaning = ReplyMeaning(status, reason, suppress, after_s, effect)
    return ReplyRule(name, re.compile(pattern, re.IGNORECASE), meaning, frozenset(phases))


# Short names for the table alone, so that most rules fit a line: deferred, bounced, unsent; reason, effect.
_D, _B, _U = SendStatus.deferred, SendStatus.bounced, SendStatus.unsent
_R, _E = Reason, Effect

# fmt: off
TABLE: tuple[ReplyRule, ...] = (
    # About the connection or the relay, not the message.
    # RFC 5321 section 3.8: 421 closes the channel. A limit of messages or time per connection is no sign of trouble.
    _rule("421 rotation", r"^421 .*(max\w*|too many|limit).{0,40}(messages?|mails?|transactions?).{0,40}(connection|session)",
          _U, _R.relay_busy, effect=_E.rotate),
    _rule("421 message limit", r"^421 .*(messages? per (connection|session)|(connection|session) (message )?limit|max message)",
          _U, _R.relay_busy, effect=_E.rotate),
    _rule("421 idle", r"^421 .*(idle|time-?(d )?out|timed out|inactivity|connection (expired|too old))",
          _U, _R.relay_busy, effect=_E.rotate),
    # In reply to MAIL the recipient plays no part yet; later a 421 may be about the recipient, so the attempt counts.
    _rule("421 before the recipient", r"^421 ", _U, _R.relay_busy, _MAIL, effect=_E.cooldown),
    _rule("421", r"^421 ", _D, _R.relay_busy, effect=_E.cooldown),
    # RFC 4954 section 6 (AUTH), RFC 3207 section 4 (530: STARTTLS first)
    _rule("authentication code", r"^(530|534|535|538) ", _U, SendReason.auth_failed, effect=_E.fault),
    # before the 5.7.x codes: a rate limit in reply to MAIL often carries 5.7.0, and is no fault of the settings
    _rule("sending rate", rf"^5\d\d .*({_RATE})", _U, _R.rate_limited, _MAIL, after_s=_MINUTE_S, effect=_E.cooldown),
    # RFC 4954 section 6 (5.7.8, 5.7.9, 5.7.11), the registry of RFC 5248 (5.7.13, 5.7.14)
    _rule("authentication enhanced", r"^5\d\d 5\.7\.(0|8|9|11|13|14) ", _U, SendReason.auth_failed, _MAIL, effect=_E.fault),
    _rule("authentication text", rf"^5\d\d .*({_AUTHENTICATE})", _U, SendReason.auth_failed, _MAIL, _RCPT, effect=_E.fault),
    # RFC 4954 section 6 (temporary authentication failure), RFC 3207 section 4 (TLS not available)
    _rule("454 authentication", r"^454 (4\.7\.0|-) .*(auth|tls|credential)", _U, _R.relay_unavailable, effect=_E.cooldown),
    # our account's quota at a provider: 5.4.5 is Gmail's, "Throttling failure" Amazon's
    _rule("sending quota", r"^[45]\d\d (5\.4\.5|.*((daily|hourly|monthly|sending).{0,20}(sending|message|mail)"
          r".{0,10}(quota|limit)|sending (quota|limit)|maximum sending rate))",
          _U, _R.rate_limited, after_s=10 * _MINUTE_S, effect=_E.cooldown),
    # RFC 5321 section 4.3.2: bad sequence of commands; server and client disagree about the state of the connection
    _rule("503", r"^503 ", _U, _R.relay_busy, effect=_E.rotate),

    # About the sender. A 5xx reply to MAIL that does not concern the size or form of this message may mean that our
    # settings are wrong. Unless the reply says so, several messages are needed to show it; each is deferred, not bounced.
    # RFC 1870 section 6.1 (552), RFC 3463 section 3.4 (X.3.4)
    _rule("sender: size", rf"^(552 (?!5\.2\.)|5\d\d (5\.3\.4 |.*({_SIZE})))", _B, _R.too_big, _MAIL),
    # RFC 6531 section 3.5 (X.6.7)
    _rule("sender: smtputf8", r"^5\d\d 5\.6\.7 ", _B, _R.smtputf8_unsupported, _MAIL),
    # 5.7.57 and 5.7.60 are Exchange's
    _rule("sender not ours", rf"^5\d\d (5\.7\.(57|60) |.*({_NOT_OURS}))", _U, _R.sender_refused, _MAIL, effect=_E.fault),
    _rule("sender refused", r"^5\d\d ", _D, _R.sender_refused, _MAIL, after_s=5 * _MINUTE_S, effect=_E.suspect),

    # About the right to send through this relay: RFC 5321 sections 3.6.2 and 7.9
    _rule("relaying denied", rf"^[45]\d\d .*({_RELAYING})", _D, _R.relaying_denied, after_s=5 * _MINUTE_S, effect=_E.suspect),

    # Temporary: RFC 5321 section 4.2.1 (4yz), RFC 3463 section 2 (4.X.X)
    # RFC 6647 section 2 (greylisting), by its texts; by its usual codes below
    _rule("greylisted", r"^4\d\d .*(gr[ae]y-?\s?list|postgrey|(try|come) again (in|after) \d|first time.{0,20}sender)",
          _D, _R.greylisted, after_s=5 * _MINUTE_S),
    # RFC 5321 section 4.2.3 (452), RFC 3463 section 3.4 (X.3.1)
    _rule("system storage", r"^452 (4\.3\.1 |.*(insufficient|system).{0,20}storage)", _D, _R.relay_busy, after_s=5 * _MINUTE_S),
    # RFC 3463 section 3.3 (X.2.2)
    _rule("mailbox full, temporary", rf"^4\d\d (4\.2\.2 |.*({_FULL}))", _D, _R.mailbox_full, after_s=_HOUR_S),
    # 4.7.28 is Gmail's, 4.7.650 Outlook's
    _rule("rate limited", rf"^4\d\d (4\.7\.(28|650) |.*({_RATE}))", _D, _R.rate_limited, after_s=10 * _MINUTE_S),
    _rule("spam, temporary", rf"^4\d\d .*({_SPAM})", _D, _R.spam_refused, after_s=_HOUR_S),
    # RFC 3463 section 3.8 (X.7.1, X.7.X)
    _rule("greylisted by code", r"^45[01] 4\.7\.1 ", _D, _R.greylisted, after_s=5 * _MINUTE_S),
    _rule("policy, temporary", r"^4\d\d 4\.7\.", _D, _R.policy_refused, after_s=30 * _MINUTE_S),
    # RFC 5321 section 4.5.3.1.10 (452), RFC 3463 section 3.6 (X.5.3)
    _rule("too many recipients", r"^452 4\.5\.3 ", _D, _R.relay_busy, after_s=_MINUTE_S),
    _rule("temporary", r"^4\d\d ", _D, _R.temporary),

    # Permanent: RFC 5321 section 4.2.1 (5yz), RFC 3463 section 2 (5.X.X). Exact codes and words come before vague codes.
    # RFC 6531 section 3.5 (X.6.7)
    _rule("smtputf8", r"^5\d\d (5\.6\.7 |.*smtputf8)", _B, _R.smtputf8_unsupported),
    # RFC 7372 section 3 (X.7.20 to X.7.26)
    _rule("sender authentication", r"^5\d\d (5\.7\.2\d |.*\b(dmarc|spf|dkim)\b)", _B, _R.policy_refused),
    # RFC 3463 section 3.3 (X.2.1)
    _rule("mailbox disabled", rf"^5\d\d (5\.2\.1 |.*({_DISABLED}))", _B, _R.mailbox_disabled, suppress=True),
    # RFC 3463 sections 3.2 (X.1.2) and 3.5 (X.4.4), RFC 7505 section 4 (X.1.10, null MX)
    _rule("domain unknown", r"^5\d\d (5\.1\.2 |5\.1\.10 |5\.4\.4 |.*((domain|host).{0,30}(not found|does not exist|unknown)|"
          r"null mx|no mx|unrouteable domain))", _B, _R.domain_unknown, suppress=True),
    # RFC 3463 section 3.2 (X.1.0, X.1.1, X.1.3, X.1.6)
    _rule("mailbox unknown", r"^5\d\d 5\.1\.[0136] ", _B, _R.mailbox_unknown, suppress=True),
    # RFC 3463 section 3.3 (X.2.2), RFC 5321 section 4.2.3 (552). A full mailbox may have room again: never suppressed.
    _rule("mailbox full", rf"^(552 (5\.2\.2|-) (?!.*({_SIZE}|{_SPAM}))|5\d\d (5\.2\.2 |.*({_FULL})))", _B, _R.mailbox_full),
    # RFC 3463 sections 3.3 (X.2.3) and 3.4 (X.3.4)
    _rule("too big", rf"^5\d\d (5\.2\.3 |5\.3\.4 |.*({_SIZE}))", _B, _R.too_big),
    _rule("spam", rf"^5\d\d .*({_SPAM})", _B, _R.spam_refused),
    # Exchange Online's reply for a recipient that its directory does not hold
    _rule("access denied, unknown recipient", r"^550 5\.4\.1 ", _B, _R.mailbox_unknown, suppress=True),
    _rule("mailbox unknown by text", rf"^55[0134] (-|5\.[01235]\.\d+) .*({_UNKNOWN})", _B, _R.mailbox_unknown, suppress=True),
    _rule("rate limited, refused", rf"^5\d\d .*({_RATE})", _D, _R.rate_limited, after_s=_HOUR_S),
    # RFC 5321 sections 3.4 (551) and 4.2.3 (553)
    _rule("not a local user", r"^551 ", _B, _R.mailbox_unknown, _RCPT, suppress=True),
    _rule("mailbox name", r"^553 ", _B, _R.mailbox_unknown, _RCPT, suppress=True),
    # RFC 3463 section 3.7 (X.6.X)
    _rule("content", r"^5\d\d (5\.6\.\d |.*(message|content).{0,20}(malformed|rejected as invalid|not RFC))",
          _B, _R.invalid_content),
    # RFC 3463 section 3.8 (X.7.X)
    _rule("policy", r"^5\d\d (5\.7\.\d+ |.*(policy|prohibited|not allowed|access denied|administrative))",
          _B, _R.policy_refused),
    _rule("permanent", r"^5\d\d ", _B, _R.permanent),
)
# fmt: on

# A waiting time in the text of a reply: no RFC defines one, but greylisting servers name it in words.
_HINT = re.compile(
    r"(?:again|retry|wait|in|after)\D{0,20}(\d{1,5})\s*(s\b|sec|m\b|min|h\b|hour)", re.IGNORECASE
)
_UNITS_S = {"s": 1.0, "m": _MINUTE_S, "h": _HOUR_S}
_MAX_HINT_S = 4 * _HOUR_S


def rule_for(reply: Reply, phase: SmtpPhase) -> ReplyRule:
    """Return the first rule that matches; "temporary" and "permanent" match every 4xx and 5xx.

    Raise ValueError for other codes: they refuse nothing.
    """
    line = f"{reply.code} {reply.enhanced or '-'} {reply.text}"
    for rule in TABLE:
        if (not rule.phases or phase in rule.phases) and rule.pattern.search(line):
            return rule
    raise ValueError(f"{reply.code} is not a refusal")


def classify(reply: Reply, phase: SmtpPhase) -> ReplyMeaning:
    """Return the meaning of a 4xx or 5xx reply in this phase. A waiting time in its text is used, up to four hours."""
    meaning = rule_for(reply, phase).meaning
    if meaning.status is SendStatus.deferred and (hint := _HINT.search(reply.text)):
        retry_after_s = min(int(hint[1]) * _UNITS_S[hint[2][0].lower()], _MAX_HINT_S)
        return ReplyMeaning(meaning.status, meaning.reason, meaning.suppress, retry_after_s, meaning.effect)
    return meaning
