"""A TCP proxy that delays every byte by half of a round trip, each way. It keeps the order and limits no rate."""

import asyncio
import sys
from typing import cast


class _ProxyEnd(asyncio.Protocol):
    """One end of a proxied connection: the bytes that it receives are written to `other` later."""

    def __init__(self, delay_s: float, target: tuple[str, int] | None) -> None:
        self._delay_s = delay_s
        self._target = target
        self.other: _ProxyEnd | None = None
        self.transport: asyncio.Transport | None = None
        self._early: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        if self._target is not None:
            asyncio.get_running_loop().create_task(self._join(*self._target))

    async def _join(self, host: str, port: int) -> None:
        other = _ProxyEnd(self._delay_s, None)
        other.other = self
        await asyncio.get_running_loop().create_connection(lambda: other, host, port)
        self.other = other
        for data in self._early:
            self.data_received(data)

    def data_received(self, data: bytes) -> None:
        if self.other is None:
            self._early.append(data)
            return
        asyncio.get_running_loop().call_later(self._delay_s, self.other.write, data)

    def write(self, data: bytes) -> None:
        if self.transport is not None:
            self.transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.other is not None and self.other.transport is not None:
            asyncio.get_running_loop().call_later(self._delay_s, self.other.transport.close)


async def serve(target_port: int, round_trip_s: float) -> None:
    """Print the port listened on, then run until killed."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: _ProxyEnd(round_trip_s / 2, ("127.0.0.1", target_port)), "127.0.0.1", 0
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    import uvloop

    uvloop.run(serve(int(sys.argv[1]), float(sys.argv[2])))
