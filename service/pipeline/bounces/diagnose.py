"""Diagnosis of a message that came back: by the fields of its status part, and by the words beside them."""

import re
from dataclasses import replace

from service.model.classifier import Certainty, Diagnosis, Fault, classify_report
from service.model.mail import SendStatus
from service.model.reasons import Reason
from service.pipeline.bounces.report import RecipientReport, Report

_MAX_WORDS = 2000  # characters
_AFTER_DATA = re.compile(r"(?:in reply to|after) (?:the )?end of data", re.IGNORECASE)
# The step that was refused, as Postfix, Exim, qmail and Sendmail name it
_BEFORE_RECIPIENT = re.compile(
    r"in reply to\s{1,9}(?:MAIL\s{1,9}FROM|EHLO|HELO)\b|refused\s{1,9}to\s{1,9}talk\s{1,9}to\s{1,9}me"
    r"|error from remote mail server\s{1,9}after\s{1,9}(?:pipelined )?(?:MAIL FROM|EHLO|HELO|initial connection)"
    r"|but\s{1,9}(?:sender was rejected|greeting failed|my name was rejected)"
    r"|>>> (?:MAIL FROM|EHLO|HELO)[^\n]{0,400}\n[> ]{0,4}<<< [45]\d\d",
    re.IGNORECASE,
)
_AT_RECIPIENT = re.compile(
    r"in reply to\s{1,9}RCPT|after\s{1,9}(?:pipelined )?RCPT TO|>>> RCPT TO", re.IGNORECASE
)
_SPECIFIC = re.compile(r"5\.1\.[1-9]\d{0,2}")


def diagnose(report: Report, recipient: RecipientReport) -> Diagnosis:
    """Return the diagnosis of the report on a recipient.

    Where its fields name no cause, the words for humans may. Where they call the mailbox unknown, the words may speak
    against it: then the address is not suppressed.
    """
    diagnosis = classify_report(recipient.action, recipient.status, recipient.diagnostic)
    if diagnosis.status is not SendStatus.bounced:
        return diagnosis
    if diagnosis.certainty is not Certainty.certain:
        words = f"{recipient.diagnostic} {report.text}"[:_MAX_WORDS]
        by_words = classify_report(recipient.action, recipient.status, words)
        diagnosis = by_words if by_words.certainty is Certainty.certain else diagnosis
    return _doubted(diagnosis, report, recipient) if diagnosis.suppress or diagnosis.scores else diagnosis


def _doubted(diagnosis: Diagnosis, report: Report, recipient: RecipientReport) -> Diagnosis:
    """Return the diagnosis without the suppression where the words speak against it.

    What is refused in reply to MAIL, or before, is not the recipient: the words are about our sender or our host. A
    server that accepts a recipient and calls it unknown after the message has looked at the message: filters of some
    mailbox providers do so. With a code for an unknown mailbox it is believed.
    """
    if _BEFORE_RECIPIENT.search(report.text) and not _AT_RECIPIENT.search(report.text):
        return replace(
            diagnosis, fault=Fault.sender, reason=Reason.sender_refused, suppress=False, scores=False
        )
    if not diagnosis.suppress:
        return diagnosis
    by_words = classify_report("failed", "", report.text[:_MAX_WORDS])
    if by_words.reason is Reason.mailbox_full:
        return by_words
    if _AFTER_DATA.search(report.text) and not _SPECIFIC.fullmatch(recipient.status):
        return replace(diagnosis, suppress=False)
    return diagnosis
