"""A TCP proxy that tests can cut, stall and heal: a network between two programs on one machine."""

import asyncio
import ssl
from contextlib import suppress
from typing import Self

_CHUNK = 65_536


class TcpProxy:
    """A proxy from `port` to `target`, a port of this machine; with `tls`, TLS ends here."""

    def __init__(self, target: int, *, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self.port = 0
        self.target = target
        self._requests = asyncio.Event()
        self._answers = asyncio.Event()
        self._refusing = False
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self.delay_s = 0.0
        self.heal()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self.cut()
        if self._server is not None:
            self._server.close()

    def cut(self) -> None:
        """Reset every connection and refuse new ones."""
        self._refusing = True
        for writer in list(self._writers):
            writer.transport.abort()

    def stall(self, *, requests: bool = True, answers: bool = True) -> None:
        """Keep connections open and forward nothing, in both directions or in one."""
        if requests:
            self._requests.clear()
        if answers:
            self._answers.clear()

    def heal(self) -> None:
        """End a cut or a stall: forward everything again."""
        self._refusing = False
        self._requests.set()
        self._answers.set()

    def forget(self) -> None:
        """Never again forward a byte of the present connections, and keep them open; new ones work."""
        self.stall()
        self._requests, self._answers = asyncio.Event(), asyncio.Event()
        self.heal()

    def lead_to(self, target: int) -> None:
        """Lead new connections to another port, as a Service or a name does after a fail-over; keep the others."""
        self.target = target

    @property
    def connections(self) -> int:
        """Number of open connections."""
        return len(self._writers) // 2

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            if self._refusing:
                writer.transport.abort()
                return
            target_reader, target_writer = await asyncio.open_connection("127.0.0.1", self.target)
            self._writers.add(target_writer)
            await asyncio.gather(
                self._pump(reader, target_writer, self._requests),
                self._pump(target_reader, writer, self._answers),
            )
        except OSError:
            writer.transport.abort()
        finally:
            self._writers.discard(writer)

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, may_pass: asyncio.Event
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(_CHUNK):
                await may_pass.wait()
                if self.delay_s:
                    await asyncio.sleep(self.delay_s)
                writer.write(data)
                await writer.drain()
        self._writers.discard(writer)
        writer.close()
