"""Classification of a relay's reply and of a returned message, by one table."""

import re
from dataclasses import replace
from functools import lru_cache

from service.model.classifier.diagnosis import Certainty, Diagnosis, Fault, RelayEffect, SmtpPhase
from service.model.classifier.table import DELAYED, EXPIRED, TABLE, Rule
from service.model.classifier.text import embedded_codes, is_generic, normalised, quoted_replies
from service.model.mail import Reply, SendStatus
from service.model.reasons import Reason

_MINUTE_S, _HOUR_S = 60.0, 3600.0
# A waiting time in the text of a reply: no RFC defines one, but greylisting servers name it in words.
_HINT = re.compile(r"(?:again|retry|wait|in|after)\D{0,20}(\d{1,5})\s*(s\b|sec|m\b|min|h\b|hour)")
_UNITS_S = {"s": 1.0, "m": _MINUTE_S, "h": _HOUR_S}
_MAX_HINT_S = 4 * _HOUR_S

_ON_THE_RELAY = (RelayEffect.cooldown, RelayEffect.misconfigured)
_NO_FAILURE = ("relayed", "delivered", "expanded")  # RFC 3464 section 2.3.3


def classify(reply: Reply, phase: SmtpPhase) -> Diagnosis:
    """Return the diagnosis of a 4xx or 5xx reply in this phase. A waiting time in its text is used, up to four hours.

    Raise ValueError for other codes: they refuse nothing.
    """
    if not 400 <= reply.code <= 599:
        raise ValueError(f"{reply.code} is not a refusal")
    text = normalised(reply.text)
    enhanced = reply.enhanced
    if not enhanced and (embedded := embedded_codes(text).enhanced)[:1] == str(reply.code)[0]:
        enhanced = embedded
    rule = _first_match(str(reply.code), enhanced, text, phase)
    permanent = reply.code >= 500
    # In reply to MAIL the recipient plays no part yet. Later the refusal may be about this recipient alone.
    at_once = phase is SmtpPhase.mail and rule.certainty is Certainty.certain and rule.effect in _ON_THE_RELAY
    status = rule.on_5xx if permanent else rule.on_4xx
    status = SendStatus.unsent if at_once else status
    retry_after_s = rule.wait_s
    if status is SendStatus.deferred and (hint := _HINT.search(text)):
        retry_after_s = min(int(hint[1]) * _UNITS_S[hint[2][0]], _MAX_HINT_S)
    return Diagnosis(
        rule=rule.name,
        fault=rule.fault,
        certainty=rule.certainty,
        status=status,
        reason=rule.reason,
        suppress=rule.suppress and status is SendStatus.bounced,
        scores=rule.scores,
        retry_after_s=None if status is SendStatus.bounced else retry_after_s,
        effect=rule.effect,
        at_once=at_once,
    )


def classify_report(action: str, status: str, diagnostic_text: str) -> Diagnosis:
    """Return the diagnosis of a returned message: a DSN, a plain bounce, or the text of a provider.

    `action` and `status` are the fields of RFC 3464, empty where there are none. `action` outranks the class of the
    status (section 2.3.3): `failed` is final also with 4.X.X, and `delayed` decides nothing. Without an action the
    codes and the words decide. A report never has an effect on a relay.
    """
    action, text = action.strip().lower(), normalised(diagnostic_text)
    if action in _NO_FAILURE or (not action and status.startswith("2.")):
        return Diagnosis("no failure", Fault.unclear, Certainty.certain, SendStatus.accepted, Reason.none)
    status = _checked(status)
    enhanced, code = _codes(status, text)
    final = _is_final(action, enhanced, code, text)
    # The words of a reply that is quoted say more than those around it, which a program wrote for any failure.
    rules = (_report_rule(status, quoted, final) for quoted in quoted_replies(text))
    rule = next((rule for rule in rules if rule.certainty is Certainty.certain or rule.fault.ours), None)
    return _reported(rule or _report_rule(status, text, final), final, enhanced or str(code or ""), text)


def _codes(status: str, text: str) -> tuple[str, int]:
    embedded = embedded_codes(text)
    return _more_specific(status, embedded.enhanced), embedded.code


def _report_rule(status: str, text: str, final: bool | None) -> Rule:
    """Return the row that a report's text matches; what is final is read as a permanent refusal."""
    enhanced, code = _codes(status, text)
    digits = str(code or (int(enhanced[0]) * 100 + 50 if enhanced else 550))
    return _first_match("5" + digits[1:] if final is not False else digits, enhanced, text, None)


def rule_for(reply: Reply, phase: SmtpPhase) -> Rule:
    """Return the row of the table that decides a 4xx or 5xx reply."""
    name = classify(reply, phase).rule
    return next(rule for rule in TABLE if rule.name == name)


@lru_cache(maxsize=2048)
def _first_match(code: str, enhanced: str, text: str, phase: SmtpPhase | None) -> Rule:
    """Return the first row that matches. Cached: a relay says the same to thousands, and addresses are left out."""
    detail = enhanced[2:] or "-"
    for rule in TABLE:
        if rule.matches(code, detail, text, phase):
            return rule
    raise AssertionError("the last rows of the table match every refusal")


def _checked(status: str) -> str:
    """Return a status of RFC 3463 without what is around it; empty for anything else."""
    match = re.search(r"(?<![\w.])([45]\.\d{1,3}\.\d{1,3})(?![\w.]{0,20}\d)", status[:80])
    return match[1] if match else ""


def _more_specific(status: str, embedded: str) -> str:
    """Return the code that says more: a gateway often reports X.0.0 for a reply that names the cause."""
    return embedded if embedded and (is_generic(status) or not is_generic(embedded)) else status


def _says(words: re.Pattern[str] | None, text: str) -> bool:
    return words is not None and words.search(text) is not None


def _is_final(action: str, enhanced: str, code: int, text: str) -> bool | None:
    """Return whether delivery has been given up; None when nothing tells."""
    if action == "failed":
        return True
    if action == "delayed" or _says(DELAYED, text):
        return False
    if enhanced[:1] == "5" or code >= 500:
        return True
    if _says(EXPIRED, text):
        return True
    return False if enhanced or code else None


def _reported(rule: Rule, final: bool | None, code: str, text: str) -> Diagnosis:
    """Return the diagnosis by the row that the codes and the words of a report match."""
    temporary = code[:1] == "4"
    diagnosis = Diagnosis(rule.name, rule.fault, rule.certainty, SendStatus.bounced, Reason(rule.reason))
    if final is None:
        if rule.certainty is not Certainty.certain:
            return Diagnosis(
                "unjudged", Fault.unclear, Certainty.unclear, SendStatus.deferred, Reason.temporary
            )
        final = True  # words about the cause, in a message that came back
    if not final:
        return replace(diagnosis, status=SendStatus.deferred)
    if rule.fault in (Fault.network, Fault.unclear, Fault.rate) and (temporary or _says(EXPIRED, text)):
        return replace(diagnosis, fault=Fault.network, reason=Reason.expired_in_transit)
    # A mailbox that a server calls unknown for now may exist: evidence for a suppression is permanent.
    return replace(diagnosis, suppress=rule.suppress and not temporary, scores=rule.scores)
