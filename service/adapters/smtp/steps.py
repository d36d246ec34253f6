"""The steps of the dialogue, and how long the reply to each may take."""

from enum import StrEnum

from service.adapters.smtp.relay import Timeouts
from service.model.classifier import SmtpPhase


class DialogueStep(StrEnum):
    """The commands whose replies are expected (RFC 5321 section 4.1.1)."""

    mail = SmtpPhase.mail.value
    rcpt = SmtpPhase.rcpt.value
    data = SmtpPhase.data.value
    final = SmtpPhase.final.value  # a body and its end of data
    end_of_data = "end_of_data"  # no body, only the end of data: 354 came although the recipient was refused
    rset = "rset"
    quit = "quit"


ENVELOPE = (DialogueStep.mail, DialogueStep.rcpt, DialogueStep.data)


def reply_timeouts_s(timeouts: Timeouts) -> dict[DialogueStep, float]:
    """Return the seconds to wait for the reply to each step."""
    return {
        DialogueStep.mail: timeouts.mail_s,
        DialogueStep.rcpt: timeouts.rcpt_s,
        DialogueStep.data: timeouts.data_s,
        DialogueStep.final: timeouts.final_s,
        DialogueStep.end_of_data: timeouts.final_s,
        DialogueStep.rset: timeouts.mail_s,
        DialogueStep.quit: timeouts.quit_s,
    }
