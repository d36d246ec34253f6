"""The log line of a refusal, for debugging."""

import structlog

from service.model.classifier import Diagnosis, SmtpPhase
from service.model.mail import Reply
from service.model.mask import mask_text

log = structlog.get_logger(__name__)


def log_refusal(delivery: str, relay: str, phase: SmtpPhase, reply: Reply, diagnosis: Diagnosis) -> None:
    """Log a reply with its meaning."""
    log.debug(
        "smtp_reply",
        delivery=delivery,
        relay=relay,
        phase=phase.value,
        code=reply.code,
        enhanced=reply.enhanced,
        text=mask_text(reply.text),  # a refusal often repeats the recipient's address
        reason=diagnosis.reason.value,
        rule=diagnosis.rule,
    )
