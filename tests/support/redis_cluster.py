"""Real clusters of Valkey servers: one that a whole test run shares, and those of a test that harms them."""

import atexit
import contextlib
import functools
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import redis

from service.adapters.redis.client import Store
from service.adapters.redis.completeness import YES
from service.dev.valkey import EmbeddedValkey
from tests.support.wait import until

_SLOTS = 16_384
_SERVERS = 3
_SLOT_RANGES = [range(n * _SLOTS // _SERVERS, (n + 1) * _SLOTS // _SERVERS) for n in range(_SERVERS)]
_MARK_SCRIPT = """#!lua flags=allow-cross-slot-keys
for n = 2, #ARGV do redis.call('SET', ARGV[n], ARGV[1]) end"""


def shared_cluster() -> str:
    """Empty all servers and return the URL of one: what earlier tests left would slow down every scan of all keys."""
    for server in _servers():
        with redis.Redis(port=server.port) as client:
            client.flushall(asynchronous=True)
    return _servers()[0].url


def is_shared(store: Store) -> bool:
    """Return whether a store is on the cluster that the test run shares."""
    url = store._settings.url.get_secret_value()
    return bool(_servers.cache_info().currsize) and any(server.url == url for server in _servers())


def mark_every_slot(store: Store) -> None:
    """Mark every slot of the shared cluster as complete by one script a server.

    A command for each of the 16,384 slots takes half a second.
    """
    marks = store.completeness_marks.all()
    for server, slots in zip(_servers(), _SLOT_RANGES, strict=True):
        with redis.Redis(port=server.port) as client:
            client.eval(_MARK_SCRIPT, 0, YES, *(marks[slot] for slot in slots))


class EmbeddedCluster:
    """Three primaries on loopback, each with `replicas`; a dead primary is replaced after a second or two."""

    def __init__(self, folder: Path, *, replicas: int = 0, extra: Sequence[str] = ()) -> None:
        count = _SERVERS * (1 + replicas)
        quick = ("--cluster-node-timeout", "1000", "--repl-diskless-sync-delay", "0", *extra)
        self.servers = [
            EmbeddedValkey(folder / str(n), cluster=True, extra=quick if replicas else extra)
            for n in range(count)
        ]
        self._replicas = replicas

    def __enter__(self) -> Self:
        try:
            self._form()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop every server."""
        for server in self.servers:
            server.stop()

    def url(self, *servers: EmbeddedValkey) -> str:
        """Return the URL with these seed servers; without any, with all."""
        hosts = ",".join(f"127.0.0.1:{server.port}" for server in servers or self.servers)
        return f"redis://{hosts}/0"

    def command(self, server: EmbeddedValkey, *args: str | int) -> Any:
        """Return the reply of one server."""
        with redis.Redis(port=server.port, socket_timeout=5) as client:
            return client.execute_command(*args)

    def primary_of(self, slot: int) -> EmbeddedValkey:
        """Return the server that holds a slot, as most servers say."""
        ports = [self._port_of(server, slot) for server in self.servers if server.pid is not None]
        port = max(set(ports), key=ports.count)
        return next(server for server in self.servers if server.port == port)

    def replicas_of(self, primary: EmbeddedValkey) -> list[EmbeddedValkey]:
        """Return the replicas of a primary, as they say."""
        ports = {
            server.port
            for server in self.servers
            if self.command(server, "INFO", "replication").get("master_port") == primary.port
        }
        return [server for server in self.servers if server.port in ports]

    def hold_replication(self, primary: EmbeddedValkey) -> None:
        """Let the replicas present a password that their primary does not know: they receive nothing from now on."""
        for replica in self.replicas_of(primary):
            self.command(replica, "CONFIG", "SET", "masterauth", "unknown")
        self.command(primary, "CLIENT", "KILL", "TYPE", "replica")

    def move_slot(self, slot: int, target: EmbeddedValkey, *, finish: bool = True) -> None:
        """Move a slot with its keys to another server, as a resharding does; without `finish`, leave half of them."""
        source = self.primary_of(slot)
        self.command(
            target, "CLUSTER SETSLOT", slot, "IMPORTING", self.command(source, "CLUSTER MYID").decode()
        )
        self.command(
            source, "CLUSTER SETSLOT", slot, "MIGRATING", self.command(target, "CLUSTER MYID").decode()
        )
        keys = self.command(source, "CLUSTER GETKEYSINSLOT", slot, 1000)
        if half := keys[::2]:
            self.command(source, "MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", *half)
        if finish:
            self.finish_move(slot, source, target)

    def finish_move(self, slot: int, source: EmbeddedValkey, target: EmbeddedValkey) -> None:
        """Move what is left of a slot, and give it to its new server."""
        while keys := self.command(source, "CLUSTER GETKEYSINSLOT", slot, 100):
            self.command(source, "MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", *keys)
        owner = self.command(target, "CLUSTER MYID").decode()
        for server in (target, source):
            self.command(server, "CLUSTER SETSLOT", slot, "NODE", owner)

    def redirections(self) -> dict[str, int]:
        """Return how often the servers have replied that a slot is elsewhere, or moving, by the word of the reply."""
        counts = dict.fromkeys(("MOVED", "ASK", "TRYAGAIN"), 0)
        for server in self.servers:
            errors = self.command(server, "INFO", "errorstats")
            for word in counts:
                counts[word] += errors.get(f"errorstat_{word}", {}).get("count", 0)
        return counts

    def _form(self) -> None:
        for server in self.servers:
            server.start()
        first, *others = self.servers
        bus = self.command(first, "CONFIG GET", "cluster-port")["cluster-port"]
        for n, slots in enumerate(_SLOT_RANGES):
            self.command(self.servers[n], "CLUSTER ADDSLOTSRANGE", slots.start, slots.stop - 1)
        for server in others:
            self.command(server, "CLUSTER MEET", "127.0.0.1", first.port, bus)
        if not until(lambda: all(self._knows_all(server) for server in self.servers), 30):
            raise AssertionError("the cluster did not come up")
        for n, server in enumerate(self.servers[_SERVERS:]):
            primary = self.command(self.servers[n % _SERVERS], "CLUSTER MYID").decode()
            self.command(server, "CLUSTER REPLICATE", primary)
        if not until(lambda: all(self._is_formed(server) for server in self.servers), 30):
            raise AssertionError("the cluster has no replicas")

    def _knows_all(self, server: EmbeddedValkey) -> bool:
        info: dict[str, str] = self.command(server, "CLUSTER INFO")
        return info["cluster_state"] == "ok" and info["cluster_known_nodes"] == str(len(self.servers))

    def _is_formed(self, server: EmbeddedValkey) -> bool:
        """Return whether a server knows all others with their parts, and is in step with its primary."""
        rows = self.command(server, "CLUSTER SLOTS")
        link: str = self.command(server, "INFO", "replication").get("master_link_status", "up")
        return link == "up" and all(len(row) == 3 + self._replicas for row in rows)

    def _port_of(self, server: EmbeddedValkey, slot: int) -> int:
        with contextlib.suppress(redis.RedisError):
            for first, last, (_, port, *_), *_ in self.command(server, "CLUSTER", "SLOTS"):
                if first <= slot <= last:
                    return int(port)
        return 0


@functools.cache
def _servers() -> Sequence[EmbeddedValkey]:
    folder = Path(tempfile.mkdtemp(prefix="tocsin-cluster-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    cluster = EmbeddedCluster(folder)
    atexit.register(cluster.stop)
    return cluster.__enter__().servers
