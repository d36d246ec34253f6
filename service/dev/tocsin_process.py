"""The Tocsin processes of the embedded stack: a worker with all stages, and the API."""

import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path

from service.dev.embedded_server import EmbeddedServer
from service.dev.ports import require_free
from service.dev.process import ServerProcess

_START_TIMEOUT_S = 60.0


class TocsinProcess(EmbeddedServer):
    """One `tocsin` verb as a child process with its own settings; ready when its `/readyz` answers 200."""

    GRACE_S = 30.0

    def __init__(self, verb: str, port: int, directory: Path, environment: Mapping[str, str]) -> None:
        self.verb = verb
        self.port = port
        self._environment = environment
        self._server = ServerProcess(f"tocsin-{verb}", directory / verb)

    def start(self) -> None:
        """Start the process and return when it is ready.

        Raise DevStackError when the process ends before that or its port is taken.
        """
        self._server.lock_directory()
        require_free(self.port, f"tocsin {self.verb}", "TOCSIN_DEV__HTTP_PORT")
        pairs = [f"{name}={value}" for name, value in self._environment.items()]
        command = ["/usr/bin/env", *pairs, sys.executable, "-m", "service.cli", self.verb]
        self._server.start(command, self._is_ready, _START_TIMEOUT_S)

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=2) as response:
                return bool(response.status == HTTPStatus.OK)
        except (urllib.error.URLError, OSError):
            return False
