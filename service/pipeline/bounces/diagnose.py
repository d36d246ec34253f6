"""Diagnosis of a message that came back: by the fields of its status part, and by the words beside them."""

import re
from dataclasses import replace

from service.model.classifier import Certainty, Diagnosis, classify_report
from service.model.mail import SendStatus
from service.model.reasons import Reason
from service.pipeline.bounces.report import RecipientReport, Report

_MAX_WORDS = 2000  # characters
_AFTER_DATA = re.compile(r"(?:in reply to|after) (?:the )?end of data", re.IGNORECASE)
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
    return _doubted(diagnosis, report, recipient) if diagnosis.suppress else diagnosis


def _doubted(diagnosis: Diagnosis, report: Report, recipient: RecipientReport) -> Diagnosis:
    """Return the diagnosis without the suppression where the words speak against it.

    A server that accepts a recipient and calls it unknown after the message has looked at the message: filters of some
    mailbox providers do so. With a code for an unknown mailbox it is believed.
    """
    by_words = classify_report("failed", "", report.text[:_MAX_WORDS])
    if by_words.reason is Reason.mailbox_full:
        return by_words
    if _AFTER_DATA.search(report.text) and not _SPECIFIC.fullmatch(recipient.status):
        return replace(diagnosis, suppress=False)
    return diagnosis
