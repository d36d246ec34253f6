"""Tocsin's own processes in the embedded stack: a worker with all stages, and the API."""

import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path

from service.dev.ports import require_free
from service.dev.process import ServerProcess

_START_S = 60.0
_STOP_S = 30.0


class Role:
    """One `tocsin` verb as a child process with its own settings; ready when its probe says so."""

    def __init__(self, verb: str, port: int, directory: Path, variables: Mapping[str, str]) -> None:
        self.verb = verb
        self.port = port
        self._variables = variables
        self._server = ServerProcess(f"tocsin-{verb}", directory / verb)

    @property
    def pid(self) -> int | None:
        """Process id while it runs, else None."""
        return self._server.pid

    def start(self) -> None:
        """Return when it is ready; DevStackError if it ends first or its port is taken."""
        self._server.claim()
        require_free(self.port, f"tocsin {self.verb}", "TOCSIN_DEV__HTTP_PORT")
        pairs = [f"{name}={value}" for name, value in self._variables.items()]
        command = ["/usr/bin/env", *pairs, sys.executable, "-m", "service.cli", self.verb]
        self._server.start(command, self._ready, _START_S)

    def stop(self) -> None:
        """SIGTERM, and time to drain."""
        self._server.stop(_STOP_S)

    def kill(self) -> None:
        """SIGKILL."""
        self._server.kill()

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=2) as answer:
                return bool(answer.status == HTTPStatus.OK)
        except (urllib.error.URLError, OSError):
            return False
