"""The SMTP server: it accepts every message, except for the simulator's addresses, which fail as listed."""

import asyncio
import logging
from dataclasses import dataclass

from aiosmtpd.smtp import SMTP, Envelope, Session

from service.dev.catcher.mail import CaughtMail
from service.dev.catcher.store import MailStore

SIMULATOR_DOMAIN = "simulator.test"
_ACCEPTED = "250 2.0.0 Ok: caught"
_IDENT = "Tocsin mail catcher"


@dataclass(frozen=True)
class SimulatedReply:
    """The behaviour of one of the simulator's addresses: its reply to RCPT, if not 250, and its description."""

    refusal: str | None
    outcome: str


SIMULATOR = {
    "delivered": SimulatedReply(None, "accepted"),
    "deferred": SimulatedReply("451 4.7.1 Try again later", "451 4.7.1 to RCPT, every time"),
    "bounced": SimulatedReply("550 5.1.1 No such mailbox", "550 5.1.1 to RCPT, every time"),
    "slow": SimulatedReply(None, "accepted after a pause of a few seconds"),
    "dropped": SimulatedReply(None, "kept, but the connection is closed after end of data, before the reply"),
}


class CatchingHandler:
    """The hooks that aiosmtpd calls, over a message store. `slow_s` is the pause at slow@simulator.test."""

    def __init__(self, mails: MailStore, slow_s: float) -> None:
        self._mails = mails
        self._slow_s = slow_s

    async def handle_RCPT(  # noqa: N802  (aiosmtpd's name)
        self, server: SMTP, session: Session, envelope: Envelope, address: str, rcpt_options: list[str]
    ) -> str:
        """Accept the recipient, unless the simulator refuses this address."""
        simulated = SIMULATOR.get(_simulator_name(address))
        if simulated and simulated.refusal:
            return simulated.refusal
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(rcpt_options)
        return "250 2.1.5 Ok"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Keep the message and accept it; for the simulator's addresses, reply late or not at all."""
        simulated = {_simulator_name(address) for address in envelope.rcpt_tos}
        if "slow" in simulated:
            await asyncio.sleep(self._slow_s)
        raw = envelope.content if isinstance(envelope.content, bytes) else b""
        self._mails.add(CaughtMail(envelope.mail_from or "", tuple(envelope.rcpt_tos), raw))
        if "dropped" in simulated:
            raise ConnectionResetError("simulated: connection closed before the reply")
        return _ACCEPTED


def smtp_protocol(handler: CatchingHandler) -> SMTP:
    """Return the protocol of one connection, in the running loop."""
    loop = asyncio.get_running_loop()
    return SMTP(handler, enable_SMTPUTF8=True, hostname="catcher.localhost", ident=_IDENT, loop=loop)


def silence_aiosmtpd() -> None:
    """Restrict aiosmtpd's log, which names senders and recipients, to warnings."""
    logging.getLogger("mail.log").setLevel(logging.WARNING)


def _simulator_name(address: str) -> str:
    local, _, domain = address.strip("<>").rpartition("@")
    return local.lower() if domain.lower() == SIMULATOR_DOMAIN else ""
