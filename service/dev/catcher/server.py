"""The catcher's SMTP and HTTP servers inside the running event loop."""

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Self
from weakref import WeakSet

import uvicorn
from aiosmtpd.smtp import SMTP
from starlette.routing import Route

from service.dev.catcher.smtp import CatchingHandler, silence_aiosmtpd, smtp_protocol
from service.dev.catcher.store import MailStore
from service.dev.catcher.web import web_app
from service.dev.errors import DevStackError
from service.dev.ports import LOOPBACK, free_port, listen

_STOP_TIMEOUT_S = 2
_POLL_S = 0.005


class Catcher:
    """An SMTP server that keeps every message in `mails`, and a web view of them; both on loopback.

    `keep` bounds the number of messages in memory; `slow_s` is the pause at slow@simulator.test. `further` are routes
    that the web server has besides its own.
    """

    def __init__(
        self,
        smtp_port: int = 0,
        http_port: int = 0,
        *,
        keep: int = 20_000,
        slow_s: float = 5.0,
        further: Sequence[Route] = (),
    ) -> None:
        self.smtp_port = smtp_port or free_port()
        self.http_port = http_port or free_port()
        self.mails = MailStore(keep)
        self._further = further
        self._handler = CatchingHandler(self.mails, slow_s)
        self._sessions: WeakSet[SMTP] = WeakSet()
        self._smtp: asyncio.Server | None = None
        self._http: tuple[uvicorn.Server, asyncio.Task[None]] | None = None

    @property
    def url(self) -> str:
        """Return the base URL of the web view and the API."""
        return f"http://{LOOPBACK}:{self.http_port}"

    async def start(self) -> None:
        """Start both servers and return when they answer. Raise DevStackError when a port is taken."""
        if self._smtp is not None:
            return
        smtp = listen(self.smtp_port, "Mail catcher", "TOCSIN_DEV__SMTP_PORT")
        try:
            http = listen(self.http_port, "Mail view", "TOCSIN_DEV__MAIL_PORT")
        except DevStackError:
            smtp.close()
            raise
        silence_aiosmtpd()
        self._smtp = await asyncio.get_running_loop().create_server(self._session, sock=smtp)
        server = _EmbeddedUvicorn(
            uvicorn.Config(
                web_app(self.mails, self.smtp_port, self._further),
                log_config=None,
                access_log=False,
                lifespan="off",
                server_header=False,
                timeout_graceful_shutdown=_STOP_TIMEOUT_S,
            )
        )
        self._http = server, asyncio.create_task(server.serve(sockets=[http]), name="mail-view")
        while not server.started and not self._http[1].done():  # noqa: ASYNC110
            await asyncio.sleep(_POLL_S)  # uvicorn has no event for its start

    async def stop(self) -> None:
        """Close both ports and every connection; `mails` stays readable. Do nothing when it does not run."""
        if self._smtp is not None:
            self._smtp.close()
            for session in list(self._sessions):
                if session.transport is not None:
                    session.transport.abort()
            await self._smtp.wait_closed()
            self._smtp = None
        if self._http is not None:
            server, task = self._http
            self._http = None
            server.should_exit = True
            await task

    def _session(self) -> SMTP:
        session = smtp_protocol(self._handler)
        self._sessions.add(session)
        return session

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()


class _EmbeddedUvicorn(uvicorn.Server):
    """A uvicorn server that leaves the process's signals to the program around it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture no signals."""
        yield
