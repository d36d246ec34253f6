"""Sentences of reason codes, beside the code as operators see it."""

from service.model.reasons import DeadReason, Reason


def reason_text(code: str, kind: type[Reason] | type[DeadReason] = Reason) -> str:
    """Return the sentence of a reason code; empty for no reason, and for a code that this version does not know."""
    try:
        return kind(code).text
    except ValueError:
        return ""


def reason_line(code: str, kind: type[Reason] | type[DeadReason] = Reason) -> str:
    """Return `code: sentence`; the code alone where there is no sentence, and an empty string for no reason."""
    return ": ".join(filter(None, (code, reason_text(code, kind))))
