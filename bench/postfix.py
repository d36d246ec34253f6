"""Postfix's own test tools: smtp-sink, which takes mail and counts it, and smtp-source, the peer that sends it."""

import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil

_PATH = "/usr/sbin:/usr/local/sbin:/usr/libexec/postfix"
_MEMORY = Path("/dev/shm")


def tool(name: str) -> str:
    """Where it is; ends the program when it is missing."""
    found = shutil.which(name, path=_PATH)
    if found is None:
        sys.exit(f"{name} is missing: install Postfix")
    return found


def smtp_source(port: int, connections: int, mails: int, longest_s: float) -> float:
    """Seconds that `smtp-source -d` takes for mails of 5,000 octets; -d: connections are kept."""
    command = [tool("smtp-source"), "-d", "-s", str(connections), "-m", str(mails), "-l", "5000"]
    command += ["-f", "bounces@tocsin.test", "-t", "user@example.test", f"127.0.0.1:{port}"]
    began = time.perf_counter()
    subprocess.run(command, check=True, timeout=longest_s)
    return time.perf_counter() - began


@contextmanager
def running(process: "subprocess.Popen[str]") -> Iterator["subprocess.Popen[str]"]:
    """A process that ends with the block."""
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


class PostfixSink:
    """smtp-sink with its own counter, which it writes to a file: one in memory, so that counting costs it little."""

    def __init__(self, stack: ExitStack) -> None:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            self.port = int(listener.getsockname()[1])
        place = tempfile.TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else None)
        self._counter = Path(stack.enter_context(place)) / "counter"
        output = stack.enter_context(self._counter.open("wb"))
        command = [tool("smtp-sink"), "-u", "nobody", "-c", f"127.0.0.1:{self.port}", "200"]
        process = stack.enter_context(running(subprocess.Popen(command, stdout=output, text=True)))
        self._process = psutil.Process(process.pid)
        deadline = time.monotonic() + 10
        while socket.socket().connect_ex(("127.0.0.1", self.port)):
            if time.monotonic() > deadline:
                sys.exit("smtp-sink does not listen")
            time.sleep(0.02)

    def counted(self) -> int:
        """Messages so far, once the counter stands still."""
        last = -1
        while last != (now := self._read()):
            last = now
            time.sleep(0.1)
        return now

    def cpu_s(self) -> float:
        """Seconds of a core that it has used so far."""
        times = self._process.cpu_times()
        return float(times.user + times.system)

    def _read(self) -> int:
        with self._counter.open("rb") as file:
            file.seek(max(0, self._counter.stat().st_size - 400))
            return int((re.findall(rb"mesg=(\d+)", file.read()) or [b"0"])[-1])
