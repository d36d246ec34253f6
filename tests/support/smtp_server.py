"""An SMTP server whose replies are scripted byte by byte, and which keeps what it receives."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum
from types import TracebackType
from typing import Self

END_OF_DATA = b"\r\n.\r\n"


class Do(Enum):
    """An action of a script other than sending bytes."""

    close = "close"  # orderly, FIN
    reset = "reset"  # RST
    stall = "stall"  # never reply
    hold = "hold"  # do what follows once the test has called `release`
    delay = "delay"  # do what follows after `delay_s`
    stop_reading = "stop_reading"  # leave received bytes in the kernel
    starttls = "starttls"
    invite = "invite"  # read the content of a message next, as after 354


Action = bytes | Do
Answer = Action | tuple[Action, ...] | None


@dataclass
class Arrived:
    """A message as the server read it: from 354 to the end of data, dots unstuffed."""

    sender: str
    recipients: list[str]
    content: bytes
    mail_line: str


@dataclass
class Session:
    """One connection. `chunks` are the bytes that each read returned, `lines` the commands in order."""

    number: int
    lines: list[str] = field(default_factory=list)
    arrived: list[Arrived] = field(default_factory=list)
    chunks: list[bytes] = field(default_factory=list)
    tls: bool = False
    mail: str | None = None
    recipients: list[str] = field(default_factory=list)
    accepted: int = 0
    closed: bool = False

    @property
    def verbs(self) -> list[str]:
        return [line.split(" ")[0].split(":")[0].upper() for line in self.lines]


Script = Callable[[Session, str, str], Answer]


def accept_all(session: Session, verb: str, line: str) -> Answer:
    """Script a relay that accepts everything."""
    return None


class ScriptedServer:
    """A server on an ephemeral port of 127.0.0.1.

    `script(session, verb, line)` may return the answer to a step: bytes, a `Do`, several of them in order, or None for
    an ordinary server's reply. Verbs are those of the commands, and CONNECT, and END for the end of data.
    `end_of_data` are the byte sequences that end a message: with more than one the server is open to SMTP smuggling.
    """

    def __init__(
        self,
        script: Script = accept_all,
        *,
        extensions: tuple[str, ...] = ("PIPELINING", "SIZE 10000000", "8BITMIME", "SMTPUTF8", "DSN"),
        tls: ssl.SSLContext | None = None,
        implicit_tls: bool = False,
        end_of_data: tuple[bytes, ...] = (END_OF_DATA,),
    ) -> None:
        self.script = script
        self.extensions = extensions
        self.sessions: list[Session] = []
        self.port = 0
        self._tls = tls
        self._implicit = implicit_tls
        self._ends = end_of_data
        self._tasks: set[asyncio.Task[None]] = set()
        self._released = asyncio.Event()
        self.delay_s = 0.0

    def release(self) -> None:
        """Let what is held continue, now and later."""
        self._released.set()

    @property
    def arrived(self) -> list[Arrived]:
        return [message for session in self.sessions for message in session.arrived]

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", self.port, ssl=self._tls if self._implicit else None
        )
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def stop(self) -> None:
        self._server.close()
        for task in [*self._tasks]:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        dialogue = _Dialogue(self, Session(len(self.sessions)), reader, writer)
        self.sessions.append(dialogue.session)
        try:
            with suppress(ConnectionError, ssl.SSLError, asyncio.CancelledError):
                await dialogue.run()
        finally:
            dialogue.session.closed = True
            self._tasks.discard(task)
            writer.close()


class _Dialogue:
    def __init__(
        self,
        server: ScriptedServer,
        session: Session,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self.server, self.session, self.reader, self.writer = server, session, reader, writer
        self.buffer = b""
        self.closing = False
        self.inviting = False

    async def run(self) -> None:
        self.session.tls = self.server._implicit
        await self.answer("CONNECT", "", b"220 scripted ESMTP\r\n")
        while not self.closing:
            line = (await self.until((b"\r\n",)))[0].decode("utf-8", "surrogateescape")
            self.session.lines.append(line)
            verb = line.split(" ")[0].split(":")[0].upper()
            await self.answer(verb, line, self.usual(verb, line))
            if self.inviting:
                self.inviting = False
                await self.receive()

    async def receive(self) -> None:
        """Read a message; a dot right after DATA ends an empty one."""
        self.buffer = b"\r\n" + self.buffer
        content, _ = await self.until(self.server._ends)
        text = (content + b"\r\n")[2:].replace(b"\r\n..", b"\r\n.")
        text = text[1:] if text.startswith(b"..") else text
        session = self.session
        message = Arrived(session.mail or "", session.recipients, text, session.mail or "")
        if session.recipients:
            session.arrived.append(message)
        session.mail, session.recipients = None, []
        usual = b"250 2.0.0 Ok: queued as %d\r\n" % session.accepted
        usual = usual if message.recipients else b"554 5.5.1 Error: no valid recipients\r\n"
        session.accepted += 1
        await self.answer("END", "", usual)

    def usual(self, verb: str, line: str) -> Answer:
        """Return an ordinary server's reply to a command."""
        session = self.session
        if verb == "EHLO":
            lines = ["scripted", *self.server.extensions]
            marks = ["-"] * (len(lines) - 1) + [" "]
            return "".join(f"250{mark}{text}\r\n" for mark, text in zip(marks, lines, strict=True)).encode()
        if verb == "DATA":
            if not session.recipients:
                return b"503 5.5.1 Error: need RCPT command\r\n"
            return (b"354 End data with <CR><LF>.<CR><LF>\r\n", Do.invite)
        if verb == "MAIL" and session.mail is not None:
            return b"503 5.5.1 Error: nested MAIL command\r\n"
        if verb == "RCPT" and session.mail is None:
            return b"503 5.5.1 Error: need MAIL command\r\n"
        if verb == "QUIT":
            return (b"221 2.0.0 Bye\r\n", Do.close)
        usual: dict[str, Answer] = {
            "HELO": b"250 scripted\r\n",
            "MAIL": b"250 2.1.0 Ok\r\n",
            "RCPT": b"250 2.1.5 Ok\r\n",
            "RSET": b"250 2.0.0 Ok\r\n",
            "NOOP": b"250 2.0.0 Ok\r\n",
            "AUTH": b"235 2.7.0 Authentication successful\r\n",
            "STARTTLS": (b"220 2.0.0 Ready to start TLS\r\n", Do.starttls),
        }
        return usual.get(verb, b"502 5.5.2 Error: command not recognized\r\n")

    async def answer(self, verb: str, line: str, usual: Answer) -> None:
        scripted = self.server.script(self.session, verb, line)
        answer = usual if scripted is None else scripted
        actions = answer if isinstance(answer, tuple) else (answer,)
        first = next((action for action in actions if isinstance(action, bytes)), b"")
        self.remember(verb, line, first)
        for position, action in enumerate(actions):
            if isinstance(action, bytes):
                if position:
                    await asyncio.sleep(0.002)  # so that the pieces arrive apart
                self.writer.write(action)
                await self.writer.drain()
            elif action is not None:
                await self.do(action)

    def remember(self, verb: str, line: str, reply: bytes) -> None:
        """Keep the state that a server has after this reply."""
        if verb == "MAIL" and reply.startswith(b"2"):
            self.session.mail = line
        elif verb == "RCPT" and reply.startswith(b"2"):
            self.session.recipients = [*self.session.recipients, line]
        elif verb in ("RSET", "EHLO", "HELO"):
            self.session.mail, self.session.recipients = None, []

    async def do(self, action: Do) -> None:
        if action is Do.close:
            self.closing = True
            self.writer.close()
        elif action is Do.reset:
            self.closing = True
            self.writer.transport.abort()
        elif action is Do.stall:
            while await self.reader.read(65536):
                pass
            self.closing = True
        elif action is Do.hold:
            await self.server._released.wait()
        elif action is Do.delay:
            await asyncio.sleep(self.server.delay_s)
        elif action is Do.stop_reading:
            await asyncio.Event().wait()
        elif action is Do.invite:
            self.inviting = True
        elif action is Do.starttls:
            self.buffer = b""
            assert self.server._tls is not None
            await self.writer.start_tls(self.server._tls)
            self.session.tls = True
            self.session.mail, self.session.recipients = None, []

    async def until(self, ends: tuple[bytes, ...]) -> tuple[bytes, bytes]:
        """Return the bytes before the first of `ends`, and that end. Raise ConnectionResetError at EOF."""
        searched = 0
        while True:
            matches = [(at, -len(end), end) for end in ends if (at := self.buffer.find(end, searched)) >= 0]
            if matches:
                at, _, end = min(matches)
                before, self.buffer = self.buffer[:at], self.buffer[at + len(end) :]
                return before, end
            searched = max(0, len(self.buffer) - 8)
            chunk = await self.reader.read(65536)
            if not chunk:
                raise ConnectionResetError
            self.session.chunks.append(chunk)
            self.buffer += chunk


@asynccontextmanager
async def closed_port() -> AsyncIterator[int]:
    """Yield a port of 127.0.0.1 that is not in use."""
    server = await asyncio.start_server(lambda r, w: w.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    yield port
