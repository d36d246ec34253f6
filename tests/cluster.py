"""A real cluster of three Valkey servers that a whole test run shares, started when a test first asks."""

import atexit
import functools
import shutil
import tempfile
from pathlib import Path
from typing import Any

import redis

from service.dev.valkey import EmbeddedValkey
from tests.waiting import until

_SLOTS = 16_384
_SERVERS = 3


@functools.cache
def shared_cluster() -> str:
    """URL of one of its servers."""
    folder = Path(tempfile.mkdtemp(prefix="tocsin-cluster-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    servers = [EmbeddedValkey(folder / str(n), cluster=True) for n in range(_SERVERS)]
    for server in servers:
        server.start()
        atexit.register(server.stop)
    clients: list[Any] = [redis.Redis(port=server.port) for server in servers]
    bus = clients[0].config_get("cluster-port")["cluster-port"]
    for n, client in enumerate(clients):
        first, last = n * _SLOTS // _SERVERS, (n + 1) * _SLOTS // _SERVERS - 1
        client.execute_command("CLUSTER ADDSLOTSRANGE", first, last)
        if n:
            client.execute_command("CLUSTER MEET", "127.0.0.1", servers[0].port, bus)
    if not until(lambda: all(_whole(client) for client in clients), 30):
        raise AssertionError("the cluster did not come up")
    for client in clients:
        client.close()
    return servers[0].url


def _whole(client: Any) -> bool:
    info: dict[str, str] = client.execute_command("CLUSTER INFO")
    return info["cluster_state"] == "ok" and info["cluster_known_nodes"] == str(_SERVERS)
