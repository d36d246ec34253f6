"""Loopback ports for the embedded stack."""

import random
import socket

from service.dev.errors import DevStackError

LOOPBACK = "127.0.0.1"
_BACKLOG = 512
# Below the ephemeral range: a client that reconnects to a stopped server must not be assigned the server's port.
FREE_RANGE = range(15_000, 32_000)
_handed_out: set[int] = set()
# The shared generator may be seeded, and then every process would begin with the same port.
_RANDOM = random.SystemRandom()


def is_free(port: int) -> bool:
    """Return True when a server could listen on this loopback port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """Return a loopback port that no process listens on. Raise DevStackError when there is none.

    A port is returned once: the caller that had it before may not listen yet.
    """
    for port in _RANDOM.sample(FREE_RANGE, 200):
        if port not in _handed_out and is_free(port):
            _handed_out.add(port)
            return port
    raise DevStackError(f"no free port on {LOOPBACK} between {FREE_RANGE[0]} and {FREE_RANGE[-1]}")


def listen(port: int, server: str, setting: str) -> socket.socket:
    """Return a listening socket on that loopback port.

    Raise DevStackError with the names of `server` and `setting` when the port is taken.
    """
    try:
        return socket.create_server((LOOPBACK, port), backlog=_BACKLOG)
    except OSError as error:
        raise _port_taken(port, server, setting) from error


def require_free(port: int, server: str, setting: str) -> None:
    """Raise DevStackError with the names of `server` and `setting` when that loopback port is taken."""
    if not is_free(port):
        raise _port_taken(port, server, setting)


def _port_taken(port: int, server: str, setting: str) -> DevStackError:
    return DevStackError(
        f"{server}: port {port} on {LOOPBACK} is taken; free it or set {setting} to another port"
    )
