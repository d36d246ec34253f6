"""A real cluster of three Valkey servers that a whole test run shares, started when it is first needed."""

import atexit
import functools
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

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


def mark_complete(store: Store) -> None:
    """Mark every slot as complete by one script a server.

    `RedisTables.mark_complete` needs half a second for its 16,384 commands.
    """
    marks = store.completeness_marks.all()
    for server, slots in zip(_servers(), _SLOT_RANGES, strict=True):
        with redis.Redis(port=server.port) as client:
            client.eval(_MARK_SCRIPT, 0, YES, *(marks[slot] for slot in slots))


@functools.cache
def _servers() -> Sequence[EmbeddedValkey]:
    folder = Path(tempfile.mkdtemp(prefix="tocsin-cluster-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    servers = [EmbeddedValkey(folder / str(n), cluster=True) for n in range(_SERVERS)]
    for server in servers:
        server.start()
        atexit.register(server.stop)
    clients: list[Any] = [redis.Redis(port=server.port) for server in servers]
    bus = clients[0].config_get("cluster-port")["cluster-port"]
    for n, client in enumerate(clients):
        client.execute_command("CLUSTER ADDSLOTSRANGE", _SLOT_RANGES[n].start, _SLOT_RANGES[n].stop - 1)
        if n:
            client.execute_command("CLUSTER MEET", "127.0.0.1", servers[0].port, bus)
    if not until(lambda: all(_is_formed(client) for client in clients), 30):
        raise AssertionError("the cluster did not come up")
    for client in clients:
        client.close()
    return servers


def _is_formed(client: Any) -> bool:
    info: dict[str, str] = client.execute_command("CLUSTER INFO")
    return info["cluster_state"] == "ok" and info["cluster_known_nodes"] == str(_SERVERS)
