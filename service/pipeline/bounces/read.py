"""Reading of a message that came back, in the order of trust: the report for machines, known formats, then the words.

The content is written by strangers. The cost is bounded by `mime.Limits`, and linear below them.
"""

from dataclasses import replace

from service.model.signatures.verp import candidates
from service.pipeline.bounces.automatic import (
    is_away_note,
    is_from_program,
    looks_like_bounce,
    other_report,
    speaks_of_absence,
)
from service.pipeline.bounces.mime import Part, read_message
from service.pipeline.bounces.report import RecipientReport, Report, ReportKind
from service.pipeline.bounces.status_part import (
    addresses_in,
    has_status_part,
    read_feedback,
    read_status_part,
)
from service.pipeline.bounces.words import read_words, text_of
from service.pipeline.tables.unsubscribe_tokens import token_candidates

_COMPLAINTS = frozenset({"abuse", "fraud", "virus", "complaint", "opt-out", "opt-out-list", "unsubscribe"})
"""Feedback types by which a recipient refuses mail (RFC 5965 section 7.3).

Not `not-spam` and `auth-failure` (RFC 6591), nor `other`, which DMARC failure reports carry.
"""
_JMRP_FIELD = "x-hmxmroriginalrecipient"
_MAX_PROOFS = 10
_RECIPIENT_FIELDS = ("to", "delivered-to", "x-original-to", "envelope-to", "x-envelope-to")
_MESSAGE_TYPES = ("message/rfc822", "message/global", "text/rfc822-headers", "message/rfc822-headers")


def read_report(raw: bytes) -> Report:
    """Return what a message that came back says. Never raises; `ReportKind.words` where nothing else is known."""
    message = read_message(raw)
    senders, tokens = _proofs(message)
    return replace(
        _read(message),
        addressed=tuple(_addresses(message, _RECIPIENT_FIELDS)),
        senders=senders,
        tokens=tokens,
    )


def _read(message: Part) -> Report:
    if (feedback := read_feedback(message)) is not None:
        return _feedback(message, feedback)
    if kind := other_report(message):
        return Report(ReportKind.automatic, detail=kind)
    notice = _notice(message)
    text = text_of(notice)
    if recipients := read_status_part(message):
        return Report(ReportKind.bounce, recipients, text=text)
    if complained := _jmrp_recipients(message):
        return Report(ReportKind.complaint, (RecipientReport(addresses=complained),), "abuse", text)
    if is_away_note(notice, text):
        return Report(ReportKind.automatic, detail="auto_reply", text=text)
    return _plain(message, notice, text)


def _plain(message: Part, notice: Part, text: str) -> Report:
    """Return a report without a status part that says anything."""
    bounce = has_status_part(message) or looks_like_bounce(notice, text)
    if not bounce and (is_from_program(notice) or speaks_of_absence(text)):
        return Report(ReportKind.automatic, detail="auto_reply", text=text)
    words = read_words(text)
    if named := addresses_in(notice.get("x-failed-recipients")):
        words = replace(words, action=words.action or "failed", addresses=named)
    elif bounce and words.action == "failed":
        words = replace(words, addresses=addresses_in(text))
    if words.addresses:
        return Report(ReportKind.bounce, (words,), text=text)
    if bounce:
        return Report(ReportKind.words, (words,), text=text)
    quotes = any(part.content_type in _MESSAGE_TYPES for part in message.walk() if part is not message)
    return Report(ReportKind.quote if quotes else ReportKind.words, text=text)


def _feedback(message: Part, feedback: dict[str, str]) -> Report:
    """Return a complaint, or a report that is none (RFC 5965). A report without a type is one of abuse."""
    kind = feedback.get("feedback-type", "abuse").strip().lower()[:40]
    addresses = addresses_in(feedback.get("original-rcpt-to", "")) or _jmrp_recipients(message)
    recipients = (RecipientReport(addresses=addresses),) if addresses else ()
    if kind not in _COMPLAINTS:
        return Report(ReportKind.automatic, recipients, "no_complaint")
    return Report(ReportKind.complaint, recipients, kind)


def _jmrp_recipients(message: Part) -> tuple[str, ...]:
    """Return the recipient that Microsoft's older complaints name in the header of the quoted message."""
    for part in message.walk():
        if value := part.get(_JMRP_FIELD):
            return addresses_in(value)
    return ()


def _notice(message: Part) -> Part:
    """Return the report itself, where a gateway has put it into another message as an attachment."""
    if message.content_type == "multipart/report":
        return message
    for part in message.walk():
        if part is not message and part.content_type == "multipart/report":
            return part
    text = text_of(message)
    if len(text.strip()) < 20 or not looks_like_bounce(message, text):
        for part in message.parts:
            if part.content_type == "message/rfc822" and part.parts and looks_like_bounce(part.parts[0], ""):
                return part.parts[0]
    return message


def _addresses(part: Part, names: tuple[str, ...]) -> list[str]:
    return [address for value in part.all(*names)[:_MAX_PROOFS] for address in addresses_in(value)]


def _proofs(message: Part) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the texts that may be our envelope sender or our tokens, in whatever part quotes them, each once."""
    senders: dict[str, None] = {}
    tokens: dict[str, None] = {}
    for part in message.walk():
        texts = [value for _, value in part.fields]
        if not part.parts and not part.content_type.startswith(
            ("image/", "audio/", "video/", "application/")
        ):
            texts.append(part.decoded().decode("latin-1"))
        for text in texts:
            senders.update(dict.fromkeys(candidates(text)))
            tokens.update(dict.fromkeys(token_candidates(text)))
        if len(senders) >= _MAX_PROOFS and len(tokens) >= _MAX_PROOFS:
            break
    return tuple(senders)[:_MAX_PROOFS], tuple(tokens)[:_MAX_PROOFS]
