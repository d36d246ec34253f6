"""Servers that a scenario starts for itself, because it harms them."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import SecretStr

from service.dev.kafka import EmbeddedKafka
from service.dev.ports import LOOPBACK, free_port
from service.dev.valkey import EmbeddedValkey
from service.settings import RedisSettings
from tests.chaos.disk import SmallDisk
from tests.support.kafka_cluster import EmbeddedKafkaCluster
from tests.support.redis_cluster import EmbeddedCluster
from tests.support.redis_pair import RedisPair
from tests.support.redis_sentinels import RedisSentinels
from tests.support.replicated_valkey import ReplicatedValkey
from tests.support.tcp_proxy import TcpProxy


@dataclass(frozen=True)
class Servers:
    """The servers of one scenario. Those that are None it shares with the others. `proxy` is before the broker."""

    own_kafka: EmbeddedKafka | None = None
    own_brokers: EmbeddedKafkaCluster | None = None
    own_valkey: EmbeddedValkey | None = None
    own_pair: RedisPair | None = None
    own_sentinels: RedisSentinels | None = None
    own_cluster: EmbeddedCluster | None = None
    own_lagging: ReplicatedValkey | None = None
    own_disk: SmallDisk | None = None
    own_proxy: TcpProxy | None = None

    @property
    def kafka(self) -> EmbeddedKafka:
        assert self.own_kafka is not None
        return self.own_kafka

    @property
    def brokers(self) -> EmbeddedKafkaCluster:
        assert self.own_brokers is not None
        return self.own_brokers

    @property
    def redis(self) -> RedisSettings | None:
        """Return the settings that lead to this scenario's Redis; None for that of the run."""
        if self.own_cluster is not None:
            return RedisSettings(url=SecretStr(self.own_cluster.url()), cluster=True)
        own = self.own_valkey or self.own_pair or self.own_sentinels or self.own_lagging
        return RedisSettings(url=SecretStr(own.url)) if own else None

    @property
    def pair(self) -> RedisPair:
        assert self.own_pair is not None
        return self.own_pair

    @property
    def sentinels(self) -> RedisSentinels:
        assert self.own_sentinels is not None
        return self.own_sentinels

    @property
    def cluster(self) -> EmbeddedCluster:
        assert self.own_cluster is not None
        return self.own_cluster

    @property
    def valkey(self) -> EmbeddedValkey:
        assert self.own_valkey is not None
        return self.own_valkey

    @property
    def lagging(self) -> ReplicatedValkey:
        assert self.own_lagging is not None
        return self.own_lagging

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


async def kafka_cluster(stack: AsyncExitStack, folder: Path) -> Servers:
    """Start three brokers, each record on all of them."""
    return Servers(own_brokers=await stack.enter_async_context(EmbeddedKafkaCluster(folder / "brokers")))


async def scaled_out(stack: AsyncExitStack, folder: Path) -> Servers:
    """Start three brokers, and a Redis cluster of three primaries with a replica each."""
    brokers, redis = await kafka_cluster(stack, folder), await redis_cluster(stack, folder)
    return replace(brokers, own_cluster=redis.own_cluster)


async def redis_pair(stack: AsyncExitStack, folder: Path) -> Servers:
    """Start a primary and its replica, behind an address that leads to the primary."""
    return Servers(own_pair=await stack.enter_async_context(RedisPair(folder / "pair")))


async def redis_sentinels(stack: AsyncExitStack, folder: Path) -> Servers:
    """Start a primary and its replica, watched by three sentinels."""
    return Servers(own_sentinels=await stack.enter_async_context(RedisSentinels(folder / "sentinels")))


async def redis_cluster(stack: AsyncExitStack, folder: Path) -> Servers:
    """Start a cluster of three primaries with a replica each."""
    # A replica is promoted however far behind it is: that is what some scenarios play.
    extra = ("--cluster-replica-validity-factor", "0")
    cluster = EmbeddedCluster(folder / "cluster", replicas=1, extra=extra)
    stack.push_async_callback(asyncio.to_thread, cluster.stop)
    return Servers(own_cluster=await asyncio.to_thread(cluster.__enter__))


async def replicated_valkey(stack: AsyncExitStack, folder: Path) -> Servers:
    """Start a Valkey with a replica, behind one address."""
    return Servers(own_lagging=await stack.enter_async_context(ReplicatedValkey(folder)))


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
