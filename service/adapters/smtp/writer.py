"""The sending half of a connection: what was asked, until when an answer must come, how fast the relay reads."""

import asyncio
from collections import deque
from time import monotonic

from service.adapters.smtp.relay import Timeouts
from service.adapters.smtp.steps import DialogueStep, limits

CHUNK = 65_536  # octets of a body written at once


class ConnectionWriter(asyncio.Protocol):
    """Writes steps and bodies. Deadlines are only noted here; the pool's sweep looks at them."""

    def __init__(self, transport: asyncio.Transport, times: Timeouts) -> None:
        self._transport = transport
        self._limits = limits(times)
        self._block_s = times.block
        self._deadline = float("inf")
        self._expected: deque[DialogueStep] = deque()
        self._rest: memoryview | None = None  # of the body: not yet written, nor is its dot
        self._paused = False
        transport.set_protocol(self)
        if transport.get_extra_info("sslcontext") is None:
            transport.set_write_buffer_limits(0)  # uvloop too writes at once: the relay works while we go on

    def pause_writing(self) -> None:
        """The relay reads slower than we write."""
        self._paused = True

    def resume_writing(self) -> None:
        """Go on with a large body."""
        self._paused = False
        if self._rest is not None:
            self._body_flows()

    def _body_flows(self) -> None:
        """There is room for more of the body."""

    def _ask(self, data: bytes, steps: tuple[DialogueStep, ...]) -> None:
        """Write a group of commands, or what ends a body, and expect the replies to it."""
        self._expected.extend(steps)
        self._deadline = monotonic() + self._limits[self._expected[0]]
        if not self._transport.is_closing():
            self._transport.write(data)

    def _write_pieces(self) -> bool:
        """Write a large body as far as the relay reads; True when only the last piece is left and may go."""
        while (rest := self._rest) is not None and not self._paused and not self._transport.is_closing():
            if len(rest) <= CHUNK:
                return True
            self._rest = rest[CHUNK:]
            self._deadline = monotonic() + self._block_s
            self._transport.write(rest[:CHUNK])
        return False
