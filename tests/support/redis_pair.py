"""A primary and its replica behind an address that leads to the primary, as a Service or a managed Redis has it."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Self

from redis.asyncio import Redis

from service.dev.valkey import EmbeddedValkey
from tests.support.tcp_proxy import TcpProxy
from tests.support.wait import eventually


class RedisPair:
    """Two servers; `url` leads to the first until `fail_over`."""

    def __init__(self, folder: Path, *extra: str) -> None:
        extra = ("--repl-diskless-sync-delay", "0", *extra)
        self.first = EmbeddedValkey(folder / "first", extra=extra)
        self.second = EmbeddedValkey(folder / "second", extra=extra)
        self.proxy = TcpProxy(self.first.port)
        self._stack = AsyncExitStack()

    @property
    def url(self) -> str:
        """Return the URL of the address."""
        return f"redis://127.0.0.1:{self.proxy.port}/0"

    async def __aenter__(self) -> Self:
        for server in (self.first, self.second):
            self._stack.push_async_callback(asyncio.to_thread, server.stop)
            await asyncio.to_thread(server.start)
        await self._stack.enter_async_context(self.proxy)
        await self.replicate(self.second, self.first)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def command(self, server: EmbeddedValkey, *args: str | int) -> Any:
        """Return the reply of one server, past the address."""
        client: Any = Redis.from_url(server.url)
        async with client:
            return await client.execute_command(*args)

    async def replicate(self, replica: EmbeddedValkey, primary: EmbeddedValkey) -> None:
        """Make one server the replica of the other; return when it has its data."""
        await self.command(replica, "REPLICAOF", "127.0.0.1", primary.port)

        async def in_step() -> bool:
            info = await self.command(replica, "INFO", "replication")
            return bool(info["master_link_status"] == "up")

        await eventually(in_step)

    async def switch(self) -> None:
        """Let the two change places without a lost write, as a managed Redis does; keep every connection open."""
        primary, replica = self.first, self.second
        if self.proxy.target != primary.port:
            primary, replica = replica, primary
        await self.command(primary, "CLIENT", "PAUSE", 10_000, "WRITE")

        async def in_step() -> bool:
            offsets = [(await self.command(s, "INFO", "replication")) for s in (primary, replica)]
            return bool(offsets[0]["master_repl_offset"] == offsets[1]["slave_repl_offset"])

        await eventually(in_step)
        await self.command(replica, "REPLICAOF", "NO", "ONE")
        # in one packet: a client that is still paused when its server becomes a replica is disconnected, and these
        # connections must survive
        async with Redis.from_url(primary.url) as client:
            pipeline = client.pipeline(transaction=False)
            pipeline.execute_command("CLIENT", "UNPAUSE")
            pipeline.execute_command("REPLICAOF", "127.0.0.1", replica.port)
            await pipeline.execute()
        self.proxy.lead_to(replica.port)

    async def fail_over(self) -> None:
        """Promote the second server, make the first its replica, and keep every connection open."""
        await self.command(self.second, "REPLICAOF", "NO", "ONE")
        await self.command(self.first, "REPLICAOF", "127.0.0.1", self.second.port)
        self.proxy.lead_to(self.second.port)
