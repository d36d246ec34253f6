"""Loopback ports for the embedded stack."""

import random
import socket

from service.dev.errors import DevStackError

LOOPBACK = "127.0.0.1"
_BACKLOG = 512
# Below the ephemeral range: a client that reconnects to a stopped server must not be given the server's port.
_FREE_RANGE = range(15_000, 32_000)


def is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """A loopback port that nobody listens on; DevStackError if none is found."""
    for port in random.sample(_FREE_RANGE, 200):
        if is_free(port):
            return port
    raise DevStackError(f"no free port found on {LOOPBACK} between {_FREE_RANGE[0]} and {_FREE_RANGE[-1]}")


def listen(port: int, what: str, setting: str) -> socket.socket:
    """A listening socket on that loopback port; DevStackError naming it and its setting, if it is taken."""
    try:
        return socket.create_server((LOOPBACK, port), backlog=_BACKLOG)
    except OSError as fault:
        raise _taken(port, what, setting) from fault


def require_free(port: int, what: str, setting: str) -> None:
    """Raise DevStackError naming the port and the setting that moves it, if the port is taken."""
    if not is_free(port):
        raise _taken(port, what, setting)


def _taken(port: int, what: str, setting: str) -> DevStackError:
    return DevStackError(f"{what}: port {port} on {LOOPBACK} is taken; free it or set {setting} to another")
