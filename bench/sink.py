"""The mail sink: Postfix's smtp-sink, which counts messages; where it is missing, a sink in Python."""

import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

from bench.postfix import unprivileged_user
from service.dev.ports import LOOPBACK, free_port

_SMTP_SINK = "/usr/sbin/smtp-sink"
_TAIL_BYTES = 200
_START_TIMEOUT_S = 10.0


class Sink:
    """A process that accepts every message and counts them."""

    def __init__(self, directory: Path) -> None:
        self.port = free_port()
        self._counter = directory / "sink.count"
        path = shutil.which(_SMTP_SINK)
        self.name = "smtp-sink" if path else "aiosmtpd"
        if path is None:
            print(
                f"{_SMTP_SINK} is missing (Debian: apt install postfix): mail goes to a slower sink in Python"
            )
        address = f"{LOOPBACK}:{self.port}"
        python = [sys.executable, "-m", "bench.python_sink", LOOPBACK, str(self.port)]
        command = [path, "-u", unprivileged_user(), "-c", address, "1000"] if path else python
        with self._counter.open("wb") as out:
            self._process = subprocess.Popen(command, stdout=out, stderr=subprocess.DEVNULL)
        self.pid = self._process.pid

    def wait(self) -> None:
        """Return when the sink listens. Raise RuntimeError when it does not in time."""
        deadline = time.monotonic() + _START_TIMEOUT_S
        while time.monotonic() < deadline:
            try:
                socket.create_connection((LOOPBACK, self.port), timeout=1).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise RuntimeError(f"{self.name} does not listen")

    def accepted(self) -> int:
        """Return the number of messages so far, by the sink's own count: `… mesg=N` after each one."""
        with self._counter.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - _TAIL_BYTES))
            whole = file.read().rpartition(b"\r")[0]
        count = whole.rpartition(b"mesg=")[2]
        return int(count) if count else 0

    def stop(self) -> None:
        """Stop the sink."""
        self._process.terminate()
        self._process.wait(10)
