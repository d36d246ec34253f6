"""The embedded Valkey: a real one, durable, and never left running."""

import socket
import subprocess
import sys
import threading
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest
import redis

from service.dev.errors import DevStackError
from service.dev.valkey import EmbeddedValkey
from tests.support.wait import until

_PARENT = """
import sys, threading
from pathlib import Path
from service.dev.valkey import EmbeddedValkey
server = EmbeddedValkey(Path(sys.argv[1]))
starter = threading.Thread(target=server.start)
starter.start(); starter.join()
print(server.pid, flush=True)
sys.stdin.read()
"""


def test_is_configured_as_production_should_be(valkey_url: str) -> None:
    """Writes go to a file synced each second, and a full memory refuses writes and evicts nothing."""
    with redis.Redis.from_url(valkey_url, decode_responses=True) as client:
        settings = {
            name: client.config_get(name)[name] for name in ("appendonly", "appendfsync", "maxmemory-policy")
        }

    assert settings == {"appendonly": "yes", "appendfsync": "everysec", "maxmemory-policy": "noeviction"}


def test_survives_sigkill_with_its_data(tmp_path: Path) -> None:
    """A server that was killed and started again has the same address and every acknowledged write."""
    with EmbeddedValkey(tmp_path) as server, redis.Redis.from_url(server.url) as client:
        client.set("kept", "yes")
        before, url = server.pid, server.url
        server.kill()
        assert server.pid is None
        server.start()

        assert server.url == url
        assert server.pid not in (None, before)
        assert client.get("kept") == b"yes"


def test_stop_is_orderly_and_may_be_repeated(tmp_path: Path) -> None:
    """stop() ends the process, keeps the data, and does nothing the second time."""
    server = EmbeddedValkey(tmp_path)
    server.start()
    pid = server.pid
    with redis.Redis.from_url(server.url) as client:
        client.set("kept", "yes")
    server.stop()
    server.stop()
    assert pid is not None
    assert not psutil.pid_exists(pid)
    with server, redis.Redis.from_url(server.url) as client:
        assert client.get("kept") == b"yes"


def test_cluster_mode(tmp_path: Path) -> None:
    """With cluster=True the node accepts slots and then serves cluster clients."""
    with EmbeddedValkey(tmp_path, cluster=True) as server:
        with redis.Redis.from_url(server.url) as node:
            node.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
            assert until(lambda: node.cluster("INFO")["cluster_state"] == "ok")
        with redis.RedisCluster.from_url(server.url) as client:
            client.set("key", "value")

            assert client.get("key") == b"value"


def test_extra_arguments_reach_the_server(tmp_path: Path) -> None:
    """An argument in `extra` configures the server."""
    with (
        EmbeddedValkey(tmp_path, extra=["--maxmemory", "64mb"]) as server,
        redis.Redis.from_url(server.url, decode_responses=True) as client,
    ):
        assert client.config_get("maxmemory")["maxmemory"] == str(64 * 1024 * 1024)


def test_listens_on_loopback_only(tmp_path: Path) -> None:
    """The server listens on no other address."""
    with EmbeddedValkey(tmp_path) as server:
        listening = [
            c for c in psutil.Process(server.pid).net_connections() if c.status == psutil.CONN_LISTEN
        ]

        assert {c.laddr.ip for c in listening} == {"127.0.0.1"}


def test_taken_port_names_port_and_setting(tmp_path: Path) -> None:
    """The error for a taken port is one line with the port and the setting that moves it."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(DevStackError, match=f"port {port} .*TOCSIN_DEV__REDIS_PORT"):
            EmbeddedValkey(tmp_path, port).start()


def test_bad_argument_is_one_line_that_names_the_log(tmp_path: Path) -> None:
    """The error for a server that ends while starting has the last line of its log."""
    with pytest.raises(
        DevStackError, match=r"Valkey ended while starting.*Bad directive.*valkey\.log"
    ) as caught:
        EmbeddedValkey(tmp_path, extra=["--no-such-setting", "1"]).start()

    assert "\n" not in str(caught.value)


def test_outlives_the_thread_that_started_it(tmp_path: Path) -> None:
    """A server that a pool's thread started does not end with that thread."""
    server = EmbeddedValkey(tmp_path)
    starter = threading.Thread(target=server.start)
    starter.start()
    starter.join()
    threads = psutil.Process().threads
    assert until(lambda: starter.native_id not in {thread.id for thread in threads()})
    try:
        with redis.Redis.from_url(server.url) as client:
            assert client.ping()
        assert server.pid is not None
    finally:
        server.stop()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
def test_ends_with_a_killed_parent_but_not_before(tmp_path: Path) -> None:
    """SIGKILL to the parent also ends the server, since no process is left to stop it."""
    command = [sys.executable, "-c", _PARENT, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        server = int(parent.stdout.readline())
        assert psutil.pid_exists(server)
        parent.kill()

    assert until(
        lambda: not psutil.pid_exists(server) or psutil.Process(server).status() == psutil.STATUS_ZOMBIE
    )


def test_folder_of_another_server_is_refused(tmp_path: Path) -> None:
    """Two servers would corrupt each other's file: the second is refused until the first has stopped."""
    second = EmbeddedValkey(tmp_path)
    with EmbeddedValkey(tmp_path), pytest.raises(DevStackError, match="another stack is using"):
        second.start()
    with second, redis.Redis.from_url(second.url) as client:
        assert client.ping()
