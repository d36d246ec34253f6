"""Where mail ends: Postfix's smtp-sink, which counts; without it a sink in Python that does."""

import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

from service.dev.ports import LOOPBACK, free_port

_SMTP_SINK = "/usr/sbin/smtp-sink"
_TAIL = 200
_START_SECONDS = 10.0


class Sink:
    """A process that takes every mail and says how many it took."""

    def __init__(self, directory: Path) -> None:
        self.port = free_port()
        self._counter = directory / "sink.count"
        path = shutil.which(_SMTP_SINK)
        self.name = "smtp-sink" if path else "aiosmtpd"
        if path is None:
            print(
                f"{_SMTP_SINK} is not here (Debian: apt install postfix): mail goes to a slower sink in Python"
            )
        address = f"{LOOPBACK}:{self.port}"
        python = [sys.executable, "-m", "bench.python_sink", LOOPBACK, str(self.port)]
        command = [path, "-u", "nobody", "-c", address, "1000"] if path else python
        with self._counter.open("wb") as out:
            self._process = subprocess.Popen(command, stdout=out, stderr=subprocess.DEVNULL)
        self.pid = self._process.pid

    def wait(self) -> None:
        """Return when it listens. Raises RuntimeError when it does not."""
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            try:
                socket.create_connection((LOOPBACK, self.port), timeout=1).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise RuntimeError(f"{self.name} does not listen")

    def accepted(self) -> int:
        """Mails taken so far, by its own count: `… mesg=N` after each one."""
        with self._counter.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - _TAIL))
            whole = file.read().rpartition(b"\r")[0]
        found = whole.rpartition(b"mesg=")[2]
        return int(found) if found else 0

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(10)
