"""A primary and its replica, watched by three real sentinels, which fail over after three seconds."""

import asyncio
import socket
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Self

from redis.asyncio import Redis

from service.dev.ports import LOOPBACK, free_port
from service.dev.process import ServerProcess
from service.dev.valkey import EmbeddedValkey, binary
from tests.support.wait import eventually

SERVICE = "mymaster"
_START_TIMEOUT_S = 20.0


class RedisSentinels:
    """Two servers with a password, and three sentinels with another; `url` names the sentinels."""

    def __init__(self, folder: Path, *, password: str = "", sentinel_password: str = "") -> None:
        self._password = password
        self._sentinel_password = sentinel_password
        login = ("--requirepass", password, "--masterauth", password) if password else ()
        extra = ("--repl-diskless-sync-delay", "0", *login)
        self.first = EmbeddedValkey(folder / "first", extra=extra)
        self.second = EmbeddedValkey(folder / "second", extra=extra)
        self.sentinels = [_Sentinel(folder / f"sentinel-{n}") for n in range(3)]
        self._stack = AsyncExitStack()

    @property
    def url(self) -> str:
        """Return the URL for TOCSIN_REDIS__URL."""
        hosts = ",".join(f"{LOOPBACK}:{sentinel.port}" for sentinel in self.sentinels)
        login = f"default:{self._password}@" if self._password else ""
        return f"redis+sentinel://{login}{hosts}/{SERVICE}/0"

    async def __aenter__(self) -> Self:
        for server in (self.first, self.second):
            self._stack.push_async_callback(asyncio.to_thread, server.stop)
            await asyncio.to_thread(server.start)
        await self.command(self.second.port, "REPLICAOF", LOOPBACK, self.first.port)
        for sentinel in self.sentinels:
            self._stack.push_async_callback(asyncio.to_thread, sentinel.stop)
            await asyncio.to_thread(sentinel.start, self._configuration(sentinel))
        await eventually(self._agreed, 60)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def command(self, port: int, *args: str | int) -> Any:
        """Return the reply of a server."""
        return await self._command(port, self._password, *args)

    async def ask(self, sentinel: int, *args: str | int) -> Any:
        """Return the reply of a sentinel."""
        return await self._command(self.sentinels[sentinel].port, self._sentinel_password, *args)

    async def primary(self) -> int:
        """Return the port of the primary, as all sentinels that run say; 0 while they do not agree."""
        running = [n for n, sentinel in enumerate(self.sentinels) if sentinel.pid is not None]
        replies = [await self.ask(n, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE) for n in running]
        ports = {int(reply[1]) for reply in replies}
        return ports.pop() if len(ports) == 1 else 0

    async def in_step(self, port: int) -> bool:
        """Return whether a server is a replica that has its primary's data."""
        info = await self.command(port, "INFO", "replication")
        return info.get("master_link_status") == "up"

    async def _command(self, port: int, password: str, *args: str | int) -> Any:
        client: Any = Redis(host=LOOPBACK, port=port, password=password or None, protocol=2)
        async with client:
            return await client.execute_command(*args)

    def _configuration(self, sentinel: "_Sentinel") -> Sequence[str]:
        rows = [
            f"port {sentinel.port}",
            f"bind {LOOPBACK}",
            f"dir {sentinel.directory}",
            f"sentinel monitor {SERVICE} {LOOPBACK} {self.first.port} 2",
            f"sentinel down-after-milliseconds {SERVICE} 3000",
            f"sentinel failover-timeout {SERVICE} 10000",
        ]
        if self._password:
            rows.append(f"sentinel auth-pass {SERVICE} {self._password}")
        if self._sentinel_password:
            rows += [
                f"requirepass {self._sentinel_password}",
                f"sentinel sentinel-pass {self._sentinel_password}",
            ]
        return rows

    async def _agreed(self) -> bool:
        """Return whether every sentinel knows the two others and the replica, and the replica is in step."""
        for n in range(len(self.sentinels)):
            flat = await self.ask(n, "SENTINEL", "MASTER", SERVICE)
            fields = dict(zip(flat[::2], flat[1::2], strict=True))
            if (fields[b"num-other-sentinels"], fields[b"num-slaves"]) != (b"2", b"1"):
                return False
        return await self.in_step(self.second.port)


class _Sentinel:
    """One sentinel, which keeps its configuration in `directory`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = free_port()
        self._server = ServerProcess("Sentinel", directory)

    @property
    def pid(self) -> int | None:
        """Return the process id while it runs."""
        return self._server.pid

    def start(self, configuration: Sequence[str]) -> None:
        """Start with this configuration; return when it answers."""
        directory = self._server.lock_directory()
        file = directory / "sentinel.conf"
        file.write_text("\n".join(configuration) + "\n")
        self._server.start([str(binary()), str(file), "--sentinel"], self._answers, _START_TIMEOUT_S)

    def stop(self) -> None:
        """Stop it."""
        self._server.stop(5)

    def _answers(self) -> bool:
        try:
            with socket.create_connection((LOOPBACK, self.port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith((b"+PONG", b"-NOAUTH"))
        except OSError:
            return False
