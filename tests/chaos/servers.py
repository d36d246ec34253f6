"""Servers that a scenario starts for itself, because it harms them."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from service.dev.kafka import EmbeddedKafka
from service.dev.ports import LOOPBACK, free_port
from service.dev.valkey import EmbeddedValkey
from tests.chaos.disk import SmallDisk
from tests.support.tcp_proxy import TcpProxy


@dataclass(frozen=True)
class Servers:
    """The servers of one scenario. Those that are None it shares with the others. `proxy` is before the broker."""

    own_kafka: EmbeddedKafka | None = None
    own_valkey: EmbeddedValkey | None = None
    own_disk: SmallDisk | None = None
    own_proxy: TcpProxy | None = None

    @property
    def kafka(self) -> EmbeddedKafka:
        assert self.own_kafka is not None
        return self.own_kafka

    @property
    def valkey(self) -> EmbeddedValkey:
        assert self.own_valkey is not None
        return self.own_valkey

    @property
    def disk(self) -> SmallDisk:
        assert self.own_disk is not None
        return self.own_disk

    @property
    def proxy(self) -> TcpProxy:
        assert self.own_proxy is not None
        return self.own_proxy


ServerFactory = Callable[[AsyncExitStack, Path], Awaitable[Servers]]
"""Starts servers with their data in a folder; the stack stops them."""


def valkey(*extra: str, disk_mb: int = 0) -> ServerFactory:
    """Return a factory for a Valkey; with `disk_mb` its data are on a disk of that size."""

    async def make(stack: AsyncExitStack, folder: Path) -> Servers:
        disk = stack.enter_context(SmallDisk(folder / "valkey", disk_mb)) if disk_mb else None
        server = EmbeddedValkey(folder / "valkey", extra=extra)
        await _start(server, stack)
        return Servers(own_valkey=server, own_disk=disk)

    return make


def kafka(*extra: str, disk_mb: int = 0) -> ServerFactory:
    """Return a factory for a broker; with `disk_mb` its logs are on a disk of that size."""

    async def make(stack: AsyncExitStack, folder: Path) -> Servers:
        disk = stack.enter_context(SmallDisk(folder / "kafka" / "data", disk_mb)) if disk_mb else None
        server = EmbeddedKafka(folder / "kafka", extra=extra)
        await _start(server, stack)
        return Servers(own_kafka=server, own_disk=disk)

    return make


async def proxied_kafka(stack: AsyncExitStack, folder: Path) -> Servers:
    """Start a broker with a second listener that advertises a proxy: its clients connect through the proxy only."""
    port, behind, controller = free_port(), free_port(), free_port()
    proxy = await stack.enter_async_context(TcpProxy(behind))
    direct = f"PLAINTEXT://{LOOPBACK}:{port}"
    extra = (
        f"controller.quorum.voters=1@{LOOPBACK}:{controller}",
        f"listeners={direct},PROXIED://{LOOPBACK}:{behind},CONTROLLER://{LOOPBACK}:{controller}",
        f"advertised.listeners={direct},PROXIED://{LOOPBACK}:{proxy.port}",
        "listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT",
    )
    server = EmbeddedKafka(folder / "kafka", port, extra=extra)
    await _start(server, stack)
    return Servers(own_kafka=server, own_proxy=proxy)


async def _start(server: EmbeddedKafka | EmbeddedValkey, stack: AsyncExitStack) -> None:
    stack.push_async_callback(asyncio.to_thread, server.stop)
    await asyncio.to_thread(server.start)
