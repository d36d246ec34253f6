"""Postfix's own test tools: smtp-sink, which accepts and counts messages, and smtp-source, a peer that sends them."""

import os
import pwd
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil

_PATH = "/usr/sbin:/usr/local/sbin:/usr/libexec/postfix"
_MEMORY = Path("/dev/shm")


def tool(name: str) -> str:
    """Return the path of a tool; end the program when it is missing."""
    path = shutil.which(name, path=_PATH)
    if path is None:
        sys.exit(f"{name} is missing: install Postfix")
    return path


def unprivileged_user() -> str:
    """Return the name of the user without rights; smtp-sink runs as this user when root starts it."""
    return pwd.getpwuid(65534).pw_name


def smtp_source(ports: Sequence[int], connections: int, mails: int, timeout_s: float) -> tuple[float, float]:
    """Send messages of 5,000 octets by `smtp-source -d`; return the seconds, and those of CPU.

    -d keeps connections open. A process knows one server only, so there is one for each port, with its share of the
    connections and of the messages; the CPU is that of all.
    """
    options = ["-d", "-l", "5000", "-f", "bounces@tocsin.test", "-t", "user@example.test"]
    sizes = zip(ports, shares(connections, len(ports)), shares(mails, len(ports)), strict=True)
    cpu_before_s, started = _children_cpu_s(), time.perf_counter()
    with ExitStack() as stack:
        processes = [
            stack.enter_context(
                running(
                    subprocess.Popen(
                        [
                            tool("smtp-source"),
                            *options,
                            "-s",
                            str(sessions),
                            "-m",
                            str(count),
                            f"127.0.0.1:{port}",
                        ],
                        text=True,
                    )
                )
            )
            for port, sessions, count in sizes
        ]
        failed = [process.args for process in processes if process.wait(timeout_s)]
        elapsed_s = time.perf_counter() - started
    if failed:
        sys.exit(f"smtp-source failed: {failed}")
    return elapsed_s, _children_cpu_s() - cpu_before_s


def shares(total: int, parts: int) -> list[int]:
    """Return `total` as a sum of whole numbers that differ by at most one."""
    return [total // parts + (part < total % parts) for part in range(parts)]


def _children_cpu_s() -> float:
    """Return the CPU time in seconds of all children that have ended."""
    times = os.times()
    return times.children_user + times.children_system


@contextmanager
def running(process: "subprocess.Popen[str]") -> Iterator["subprocess.Popen[str]"]:
    """Terminate a process at the end of the context."""
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


class PostfixSink:
    """smtp-sink with its own counter, which it writes to a file in memory, so that counting costs little."""

    def __init__(self, stack: ExitStack) -> None:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            self.port = int(listener.getsockname()[1])
        folder = tempfile.TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else None)
        self._counter = Path(stack.enter_context(folder)) / "counter"
        output = stack.enter_context(self._counter.open("wb"))
        command = [tool("smtp-sink"), "-u", unprivileged_user(), "-c", f"127.0.0.1:{self.port}", "200"]
        process = stack.enter_context(running(subprocess.Popen(command, stdout=output, text=True)))
        self._process = psutil.Process(process.pid)
        deadline = time.monotonic() + 10
        while socket.socket().connect_ex(("127.0.0.1", self.port)):
            if time.monotonic() > deadline:
                sys.exit("smtp-sink does not listen")
            time.sleep(0.02)

    def count(self) -> int:
        """Return the number of messages so far, once the counter has stopped changing."""
        last = -1
        while last != (now := self._read()):
            last = now
            time.sleep(0.1)
        return now

    def cpu_s(self) -> float:
        """Return the CPU time in seconds that it has used so far."""
        times = self._process.cpu_times()
        return float(times.user + times.system)

    def _read(self) -> int:
        with self._counter.open("rb") as file:
            file.seek(max(0, self._counter.stat().st_size - 400))
            return int((re.findall(rb"mesg=(\d+)", file.read()) or [b"0"])[-1])
