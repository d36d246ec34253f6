# ruff: noqa: E501 - a row of the table is read whole
"""What a reply means: one table, read from the top, the first row that matches decides.

Sources: RFC 5321 section 4.2, RFC 3463 (enhanced codes), RFC 7372 and 7505, and the texts that large providers use.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from service.model.mail import Reply, SendStatus
from service.model.reasons import Reason, ResultReason, SendReason


class SmtpPhase(StrEnum):
    """The step of the dialogue that a reply answers."""

    mail = "mail"
    rcpt = "rcpt"
    data = "data"
    final = "final"  # the reply to the dot


class Effect(StrEnum):
    """What a reply says about the relay or the connection rather than about the mail."""

    none = "none"
    rotate = "rotate"  # this connection is over; that is no failure
    rest = "rest"  # the relay wants to be left alone
    fault = "fault"  # we are set up wrongly: pause until an operator helps
    suspect = "suspect"  # a fault if the next mails fare no better


@dataclass(frozen=True, slots=True)
class ReplyMeaning:
    """What becomes of the mail, and of the relay. `retry_after_s` in seconds."""

    status: SendStatus
    reason: ResultReason
    suppress: bool = False
    retry_after_s: float | None = None
    effect: Effect = Effect.none


@dataclass(frozen=True, slots=True)
class ReplyRule:
    """`pattern` is searched in "code enhanced-or-dash text"; `phases` empty: any."""

    name: str
    pattern: re.Pattern[str]
    verdict: ReplyMeaning
    phases: frozenset[SmtpPhase]


_MAIL, _RCPT = SmtpPhase.mail, SmtpPhase.rcpt
_MINUTE, _HOUR = 60.0, 3600.0
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
_NOBODY = (
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


def _row(
    name: str, pattern: str, status: SendStatus, reason: ResultReason, *phases: SmtpPhase,
    suppress: bool = False, after: float | None = None, effect: Effect = Effect.none,
) -> ReplyRule:  # fmt: skip
    verdict = ReplyMeaning(status, reason, suppress, after, effect)
    return ReplyRule(name, re.compile(pattern, re.IGNORECASE), verdict, frozenset(phases))


_D, _B, _U = SendStatus.deferred, SendStatus.bounced, SendStatus.unsent
_R, _E = Reason, Effect

# fmt: off
TABLE: tuple[ReplyRule, ...] = (
    # the connection or the relay, not the mail
    _row("421 rotation", r"^421 .*(max\w*|too many|limit).{0,40}(messages?|mails?|transactions?).{0,40}(connection|session)",
         _U, _R.relay_busy, effect=_E.rotate),
    _row("421 message limit", r"^421 .*(messages? per (connection|session)|(connection|session) (message )?limit|max message)",
         _U, _R.relay_busy, effect=_E.rotate),
    _row("421 idle", r"^421 .*(idle|time-?(d )?out|timed out|inactivity|connection (expired|too old))",
         _U, _R.relay_busy, effect=_E.rotate),
    _row("421 before the recipient", r"^421 ", _U, _R.relay_busy, _MAIL, effect=_E.rest),
    _row("421", r"^421 ", _D, _R.relay_busy, effect=_E.rest),
    _row("authentication code", r"^(530|534|535|538) ", _U, SendReason.auth_failed, effect=_E.fault),
    _row("sending rate", rf"^5\d\d .*({_RATE})", _U, _R.rate_limited, _MAIL, after=_MINUTE, effect=_E.rest),
    _row("authentication enhanced", r"^5\d\d 5\.7\.(0|8|9|11|13|14) ", _U, SendReason.auth_failed, _MAIL, effect=_E.fault),
    _row("authentication text", rf"^5\d\d .*({_AUTHENTICATE})", _U, SendReason.auth_failed, _MAIL, _RCPT, effect=_E.fault),
    _row("454 authentication", r"^454 (4\.7\.0|-) .*(auth|tls|credential)", _U, _R.relay_unavailable, effect=_E.rest),
    _row("sending quota", r"^[45]\d\d (5\.4\.5|.*((daily|hourly|monthly|sending).{0,20}(sending|message|mail)"
         r".{0,10}(quota|limit)|sending (quota|limit)|maximum sending rate))",
         _U, _R.rate_limited, after=10 * _MINUTE, effect=_E.rest),
    _row("503", r"^503 ", _U, _R.relay_busy, effect=_E.rotate),
    # the sender: what is not about this mail's size or form may be our set-up; unless the reply says so, it takes
    # several mails to show it, and each of them is tried again rather than given up
    _row("sender: size", rf"^(552 (?!5\.2\.)|5\d\d (5\.3\.4 |.*({_SIZE})))", _B, _R.too_big, _MAIL),
    _row("sender: smtputf8", r"^5\d\d 5\.6\.7 ", _B, _R.smtputf8_unsupported, _MAIL),
    _row("sender not ours", rf"^5\d\d (5\.7\.(57|60) |.*({_NOT_OURS}))", _U, _R.sender_refused, _MAIL, effect=_E.fault),
    _row("sender refused", r"^5\d\d ", _D, _R.sender_refused, _MAIL, after=5 * _MINUTE, effect=_E.suspect),
    # the right to send through this relay
    _row("relaying denied", rf"^[45]\d\d .*({_RELAYING})", _D, _R.relaying_denied, after=5 * _MINUTE, effect=_E.suspect),
    # temporary
    _row("greylisted", r"^4\d\d .*(gr[ae]y-?\s?list|postgrey|(try|come) again (in|after) \d|first time.{0,20}sender)",
         _D, _R.greylisted, after=5 * _MINUTE),
    _row("system storage", r"^452 (4\.3\.1 |.*(insufficient|system).{0,20}storage)", _D, _R.relay_busy, after=5 * _MINUTE),
    _row("mailbox full, temporary", rf"^4\d\d (4\.2\.2 |.*({_FULL}))", _D, _R.mailbox_full, after=_HOUR),
    _row("rate limited", rf"^4\d\d (4\.7\.(28|650) |.*({_RATE}))", _D, _R.rate_limited, after=10 * _MINUTE),
    _row("spam, temporary", rf"^4\d\d .*({_SPAM})", _D, _R.spam_refused, after=_HOUR),
    _row("greylisted by code", r"^45[01] 4\.7\.1 ", _D, _R.greylisted, after=5 * _MINUTE),
    _row("policy, temporary", r"^4\d\d 4\.7\.", _D, _R.policy_refused, after=30 * _MINUTE),
    _row("too many recipients", r"^452 4\.5\.3 ", _D, _R.relay_busy, after=_MINUTE),
    _row("temporary", r"^4\d\d ", _D, _R.temporary),
    # permanent, by the words that outweigh a vague code
    _row("smtputf8", r"^5\d\d (5\.6\.7 |.*smtputf8)", _B, _R.smtputf8_unsupported),
    _row("sender authentication", r"^5\d\d (5\.7\.2\d |.*\b(dmarc|spf|dkim)\b)", _B, _R.policy_refused),
    _row("mailbox disabled", rf"^5\d\d (5\.2\.1 |.*({_DISABLED}))", _B, _R.mailbox_disabled, suppress=True),
    _row("domain unknown", r"^5\d\d (5\.1\.2 |5\.1\.10 |5\.4\.4 |.*((domain|host).{0,30}(not found|does not exist|unknown)|"
         r"null mx|no mx|unrouteable domain))", _B, _R.domain_unknown, suppress=True),
    _row("mailbox unknown", r"^5\d\d 5\.1\.[0136] ", _B, _R.mailbox_unknown, suppress=True),
    _row("mailbox full", rf"^(552 (5\.2\.2|-) (?!.*({_SIZE}|{_SPAM}))|5\d\d (5\.2\.2 |.*({_FULL})))", _B, _R.mailbox_full),
    _row("too big", rf"^5\d\d (5\.2\.3 |5\.3\.4 |.*({_SIZE}))", _B, _R.too_big),
    _row("spam", rf"^5\d\d .*({_SPAM})", _B, _R.spam_refused),
    _row("access denied for nobody", r"^550 5\.4\.1 ", _B, _R.mailbox_unknown, suppress=True),
    _row("mailbox unknown by text", rf"^55[0134] (-|5\.[01235]\.\d+) .*({_NOBODY})", _B, _R.mailbox_unknown, suppress=True),
    _row("rate limited, refused", rf"^5\d\d .*({_RATE})", _D, _R.rate_limited, after=_HOUR),
    _row("not a local user", r"^551 ", _B, _R.mailbox_unknown, _RCPT, suppress=True),
    _row("mailbox name", r"^553 ", _B, _R.mailbox_unknown, _RCPT, suppress=True),
    _row("content", r"^5\d\d (5\.6\.\d |.*(message|content).{0,20}(malformed|rejected as invalid|not RFC))",
         _B, _R.invalid_content),
    _row("policy", r"^5\d\d (5\.7\.\d+ |.*(policy|prohibited|not allowed|access denied|administrative))",
         _B, _R.policy_refused),
    _row("permanent", r"^5\d\d ", _B, _R.permanent),
)
# fmt: on

_HINT = re.compile(
    r"(?:again|retry|wait|in|after)\D{0,20}(\d{1,5})\s*(s\b|sec|m\b|min|h\b|hour)", re.IGNORECASE
)
_UNITS = {"s": 1.0, "m": _MINUTE, "h": _HOUR}
_LONGEST = 4 * _HOUR


def row_for(reply: Reply, phase: SmtpPhase) -> ReplyRule:
    """The row that decides; the last two take every 4xx and 5xx. ValueError for other codes: they decide nothing."""
    line = f"{reply.code} {reply.enhanced or '-'} {reply.text}"
    for row in TABLE:
        if (not row.phases or phase in row.phases) and row.pattern.search(line):
            return row
    raise ValueError(f"{reply.code} is not a refusal")


def classify(reply: Reply, phase: SmtpPhase) -> ReplyMeaning:
    """What a 4xx or 5xx reply at this phase means. A waiting time in its text is heeded, up to four hours."""
    verdict = row_for(reply, phase).verdict
    if verdict.status is SendStatus.deferred and (hint := _HINT.search(reply.text)):
        seconds = min(int(hint[1]) * _UNITS[hint[2][0].lower()], _LONGEST)
        return ReplyMeaning(verdict.status, verdict.reason, verdict.suppress, seconds, verdict.effect)
    return verdict
