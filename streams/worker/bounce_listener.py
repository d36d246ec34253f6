"""The SMTP listener for bounces and complaints: takes mail to our bounce domain and nothing else."""

import asyncio
import logging
from typing import Any

import faust
from aiosmtpd.smtp import SMTP, Envelope, Session

from service.pipeline.bounces.process import BounceProcessor
from service.ports import Unavailable
from service.settings import BounceSettings

log = logging.getLogger(__name__)

_MOST_RECIPIENTS = 10  # a bounce goes to one sender
_COMPLAINTS = "complaints"
_IDLE_S = 60.0


class _Handler:
    """aiosmtpd's hooks.

    Who is refused hears it at RCPT. What cannot be believed is taken and dropped: a refusal would only come back to
    somebody whose address was forged.
    """

    def __init__(self, bounces: BounceProcessor) -> None:
        self._bounces = bounces

    async def handle_RCPT(  # noqa: N802  (aiosmtpd's name)
        self, server: SMTP, session: Session, envelope: Envelope, address: str, rcpt_options: list[str]
    ) -> str:
        verp = self._bounces.verp
        if verp.read(address) is None and address.lower() != f"{_COMPLAINTS}@{verp.domain}":
            return "550 5.1.1 No such mailbox"
        if len(envelope.rcpt_tos) >= _MOST_RECIPIENTS:
            return "452 4.5.3 Too many recipients"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Ok"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        raw = envelope.content if isinstance(envelope.content, bytes) else b""
        try:
            taken = await self._bounces.process_message(raw, envelope.rcpt_tos)
        except Unavailable as away:
            log.warning("a bounce was put off: %s", away.reason)
            return "451 4.3.0 Try again later"
        log.debug("a mail was %s %s", taken.result, taken.reason)
        return "250 2.0.0 Ok"


class BounceListener(faust.Service):  # type: ignore[misc]  # faust has no usable types
    """Listens in the worker's event loop while the worker runs."""

    def __init__(self, bounces: BounceProcessor, settings: BounceSettings, **service: Any) -> None:
        super().__init__(**service)
        self._handler = _Handler(bounces)
        self._settings = settings
        self._server: asyncio.Server | None = None
        logging.getLogger("mail.log").setLevel(logging.ERROR)  # it names senders and recipients

    @property
    def port(self) -> int:
        """Where it listens, once it has started."""
        assert self._server is not None
        found: int = self._server.sockets[0].getsockname()[1]
        return found

    async def on_start(self) -> None:
        """Raises OSError when the port is taken."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._protocol, self._settings.host, self._settings.port)

    async def on_stop(self) -> None:
        """Take no more; who is in the middle of a mail will give it again."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    def _protocol(self) -> SMTP:
        return SMTP(
            self._handler,
            data_size_limit=self._settings.max_bytes,
            enable_SMTPUTF8=True,
            hostname="bounces.localhost",
            ident="Tocsin",
            timeout=_IDLE_S,
            loop=asyncio.get_running_loop(),
        )
