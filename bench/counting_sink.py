"""An SMTP server that counts each Message-ID, and prints the counts of distinct and repeated ones at end of input."""

import asyncio
import json
import sys
from collections import Counter
from typing import ClassVar, cast

_END = b"\r\n.\r\n"


class Sink(asyncio.Protocol):
    """A connection. Strict about the end of data; accepts everything; replies to pipelined commands in one write."""

    ids: ClassVar[Counter[str]] = Counter()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.buffer = b""
        self.in_data = False
        self.transport.write(b"220 counting\r\n")

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        replies: list[bytes] = []
        while True:
            end = _END if self.in_data else b"\r\n"
            head, complete, rest = self.buffer.partition(end)
            if not complete:
                break
            self.buffer = rest
            replies.append(self.message(head) if self.in_data else self.command(head))
        if replies:
            self.transport.write(b"".join(replies))

    def message(self, content: bytes) -> bytes:
        self.in_data = False
        self.ids[content.partition(b"Message-ID: <")[2].partition(b">")[0].decode()] += 1
        return b"250 2.0.0 Ok\r\n"

    def command(self, line: bytes) -> bytes:
        verb = line[:4].upper()
        if verb == b"EHLO":
            return b"250-counting\r\n250 PIPELINING\r\n"
        if verb == b"DATA":
            self.in_data = True
            return b"354 Continue\r\n"
        return b"221 Bye\r\n" if verb == b"QUIT" else b"250 2.1.0 Ok\r\n"


async def main() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Sink, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    doubled = sum(times - 1 for times in Sink.ids.values())
    print(json.dumps({"distinct": len(Sink.ids), "doubled": doubled}))


if __name__ == "__main__":
    asyncio.run(main())
