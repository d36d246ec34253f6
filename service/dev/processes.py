"""Tocsin's own processes in the embedded stack: a worker with all stages, and the API."""

import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path

from service.dev.embedded import EmbeddedServer
from service.dev.ports import require_free
from service.dev.process import ServerProcess

_START_S = 60.0


class ProcessRole(EmbeddedServer):
    """One `tocsin` verb as a child process with its own settings; ready when its probe says so."""

    GRACE_S = 30.0

    def __init__(self, verb: str, port: int, directory: Path, variables: Mapping[str, str]) -> None:
        self.verb = verb
        self.port = port
        self._variables = variables
        self._server = ServerProcess(f"tocsin-{verb}", directory / verb)

    def start(self) -> None:
        """Return when it is ready; DevStackError if it ends first or its port is taken."""
        self._server.claim()
        require_free(self.port, f"tocsin {self.verb}", "TOCSIN_DEV__HTTP_PORT")
        pairs = [f"{name}={value}" for name, value in self._variables.items()]
        command = ["/usr/bin/env", *pairs, sys.executable, "-m", "service.cli", self.verb]
        self._server.start(command, self._ready, _START_S)

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=2) as answer:
                return bool(answer.status == HTTPStatus.OK)
        except (urllib.error.URLError, OSError):
            return False
