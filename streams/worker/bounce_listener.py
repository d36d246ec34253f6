"""The SMTP listener for bounces and complaints: accepts mail for our bounce domain and for nothing else."""

import asyncio
import logging

import structlog
from aiosmtpd.smtp import Envelope, Session

from service.observability.metrics import BOUNCES
from service.pipeline.bounces.process import BounceProcessor
from service.ports import Unavailable
from service.settings import BounceSettings
from streams.lifecycle import Service
from streams.worker.bounce_smtp import BoundedSmtp

log = structlog.get_logger(__name__, stage="bounces")  # its lines belong to the tasks of connections

_MAX_RECIPIENTS = 10  # a bounce has one recipient: the envelope sender of the message it is about


class _SmtpHandler:
    """The hooks of aiosmtpd.

    An unknown recipient is refused at RCPT; role mailboxes exist (RFC 5321 section 4.5.1, RFC 2142). A message that
    cannot be verified is accepted and counted: a refusal would become a bounce of its own, to an address that may be
    forged.
    """

    def __init__(self, bounces: BounceProcessor) -> None:
        self._bounces = bounces
        self.hostname = bounces.verp.domain

    async def handle_RCPT(  # noqa: N802  (aiosmtpd's name)
        self, server: BoundedSmtp, session: Session, envelope: Envelope, address: str, rcpt_options: list[str]
    ) -> str:
        verp = self._bounces.verp
        if address.lower() == "postmaster":  # the one mailbox that may come without a domain
            address = f"postmaster@{verp.domain}"
        if verp.read(address) is None and not self._bounces.role_mailbox(address):
            BOUNCES.labels("refused", "recipient").inc()
            return "550 5.1.1 No such mailbox"
        if len(envelope.rcpt_tos) >= _MAX_RECIPIENTS:
            return "452 4.5.3 Too many recipients"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Ok"

    async def handle_DATA(self, server: BoundedSmtp, session: Session, envelope: Envelope) -> str:  # noqa: N802
        message = envelope.content if isinstance(envelope.content, bytes) else b""
        if envelope.mail_from in ("", "<>"):
            # as a server that delivers finally records it: RFC 5321 section 4.4
            message = b"Return-Path: <>\r\n" + message
        try:
            result = await self._bounces.process_message(message, envelope.rcpt_tos)
        except Unavailable as error:
            log.warning("bounce_report_deferred", reason=error.reason)
            return "451 4.3.0 Try again later"
        log.debug("bounce_processed", result=result.result, reason=result.reason)
        return "250 2.0.0 Ok"

    async def handle_exception(self, error: Exception) -> str:
        """Have the client retry. Only the class of the error is logged: its text may hold what the client sent."""
        log.error("bounce_session_failed", error=type(error).__name__)
        return "451 4.3.0 Try again later"


class BounceListener(Service):
    """The listener as a service: it runs in the worker's event loop as long as the worker."""

    name = "bounce_listener"

    def __init__(self, bounces: BounceProcessor, settings: BounceSettings) -> None:
        super().__init__()
        self._handler = _SmtpHandler(bounces)
        self._settings = settings
        self._server: asyncio.Server | None = None
        self._open_connections: set[BoundedSmtp] = set()
        logging.getLogger("mail.log").setLevel(logging.ERROR)  # aiosmtpd logs senders and recipients there

    @property
    def port(self) -> int:
        """The port it listens on, once it has started."""
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def on_start(self) -> None:
        """Listen. Raise OSError when the port is in use."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._protocol, self._settings.host, self._settings.port)

    async def on_stop(self) -> None:
        """Stop listening; a client whose message was not accepted will send it again."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    def _protocol(self) -> BoundedSmtp:
        return BoundedSmtp(self._handler, self._settings, self._open_connections, self._handler.hostname)
