"""A primary and a replica of Valkey behind one address, whose replication a test can hold back: a stale fail-over."""

import asyncio
from pathlib import Path
from typing import Any, Self

from redis.asyncio import Redis

from service.dev.valkey import EmbeddedValkey
from tests.support.tcp_proxy import TcpProxy
from tests.support.wait import eventually


class ReplicatedValkey:
    """Within `async with`: `url` leads to the primary, and after `fail_over` to what was its replica."""

    def __init__(self, folder: Path) -> None:
        at_once = ("--repl-diskless-sync-delay", "0")
        self.primary = EmbeddedValkey(folder / "primary", extra=at_once)
        self.replica = EmbeddedValkey(folder / "replica", extra=at_once)
        self._replication = TcpProxy(0)
        self._clients = TcpProxy(0)

    @property
    def url(self) -> str:
        """Return the URL for clients."""
        return f"redis://127.0.0.1:{self._clients.port}/0"

    async def __aenter__(self) -> Self:
        for server in (self.primary, self.replica):
            await asyncio.to_thread(server.start)
        self._clients.lead_to(self.primary.port)
        self._replication.lead_to(self.primary.port)
        await self._clients.__aenter__()
        await self._replication.__aenter__()
        await self.command(self.replica, "REPLICAOF", "127.0.0.1", self._replication.port)
        await self.wait_until_replicated()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._clients.__aexit__()
        await self._replication.__aexit__()
        for server in (self.primary, self.replica):
            await asyncio.to_thread(server.kill)

    async def command(self, server: EmbeddedValkey, *args: str | int) -> Any:
        """Return the reply of one of the servers."""
        client: Any = Redis.from_url(server.url)
        async with client:
            return await client.execute_command(*args)

    async def wait_until_replicated(self) -> None:
        """Wait until the replica has all that the primary has now."""

        async def has_all() -> bool:
            now = (await self.command(self.primary, "INFO", "replication"))["master_repl_offset"]
            replica = await self.command(self.replica, "INFO", "replication")
            up = bool(replica["master_link_status"] == "up")
            return up and bool(replica["slave_repl_offset"] >= now)

        await eventually(has_all, 30)

    def hold_replication(self) -> None:
        """From now on the replica receives nothing."""
        self._replication.stall()

    async def fail_over(self, *, demote: bool = True) -> None:
        """Promote the replica as it is, demote the primary, and lead new connections to it; keep the others."""
        await self.command(self.replica, "REPLICAOF", "NO", "ONE")
        self._clients.lead_to(self.replica.port)
        self._replication.cut()
        if demote:
            await self.command(self.primary, "REPLICAOF", "127.0.0.1", self.replica.port)
