"""Child processes of the embedded stack: own session, bounded stop, never orphaned."""

import contextlib
import fcntl
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import IO

from service.dev.errors import DevStackError

_LEASH = Path(__file__).with_name("die_with_parent.py")
_POLL_SECONDS = 0.02


class ServerProcess:
    """One server: its folder and log file, its start until it answers, its end."""

    def __init__(self, name: str, directory: Path) -> None:
        self.name = name
        self.directory = directory.absolute()
        self.log = self.directory / f"{name.lower()}.log"
        self._claim: IO[str] | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Process id while it runs, else None."""
        running = self._process is not None and self._process.poll() is None
        return self._process.pid if running and self._process else None

    def claim(self) -> Path:
        """Its folder, made if need be and nobody else's until `stop` or `kill`; else DevStackError."""
        self._release()
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            self._claim = (self.directory / f".{self.name.lower()}.lock").open("w")
            fcntl.flock(self._claim, fcntl.LOCK_EX | fcntl.LOCK_NB)  # goes with this process, however it ends
        except OSError as fault:
            self._release()
            taken = isinstance(fault, BlockingIOError)
            why = "another stack is using" if taken else f"{fault.strerror}: cannot write to"
            raise DevStackError(
                f"{self.name}: {why} {self.directory}; choose another folder with --data DIR"
            ) from fault
        return self.directory

    def start(self, command: Sequence[str], ready: Callable[[], bool], timeout: float) -> None:
        """Run the command until `ready()`; DevStackError if it ends first or `timeout` seconds pass."""
        self._process = _spawner.spawn(command, self.log)
        deadline = time.monotonic() + timeout
        while not ready():
            code = self._process.poll()
            if code is not None:
                self._release()
                raise DevStackError(
                    f"{self.name} ended while starting (exit code {code}){self._last_words()}"
                )
            if time.monotonic() > deadline:
                self.kill()
                raise DevStackError(f"{self.name} was not ready after {timeout:.0f} s{self._last_words()}")
            time.sleep(_POLL_SECONDS)

    def run(self, command: Sequence[str], timeout: float) -> None:
        """Run a command to its end; DevStackError if it fails or takes longer than `timeout` seconds."""
        self._process = _spawner.spawn(command, self.log)
        try:
            code = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise DevStackError(f"{self.name} took longer than {timeout:.0f} s{self._last_words()}") from None
        if code != 0:
            self.kill()
            raise DevStackError(f"{self.name} failed (exit code {code}){self._last_words()}")

    def stop(self, grace: float) -> None:
        """SIGTERM, `grace` seconds, then SIGKILL; nothing to do if it does not run."""
        if self._process is not None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(grace)
        self.kill()

    def kill(self) -> None:
        """SIGKILL to the whole session, and reap."""
        if self._process is not None and self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._process = None
        self._release()

    def _release(self) -> None:
        if self._claim is not None:
            self._claim.close()
            self._claim = None

    def _last_words(self) -> str:
        lines = [line.strip() for line in self.log.read_text("utf-8", "replace").splitlines() if line.strip()]
        telling = [line for line in lines if "Exception" in line]
        words = (telling or lines)[-1:]
        return f": {words[0][:200]} (log: {self.log})" if words else f" (log: {self.log})"


class _Spawner:
    """Forks children from one thread that lives as long as the process.

    PR_SET_PDEATHSIG fires when the *thread* that forked ends: a child of a pool's thread would die with it.
    """

    def __init__(self) -> None:
        self._orders: queue.SimpleQueue[tuple[Sequence[str], Path, Future[subprocess.Popen[bytes]]]] = (
            queue.SimpleQueue()
        )
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def spawn(self, command: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="dev-stack-spawner", daemon=True)
                self._thread.start()
        answer: Future[subprocess.Popen[bytes]] = Future()
        self._orders.put((command, log, answer))
        return answer.result()

    def _run(self) -> None:
        while True:
            command, log, answer = self._orders.get()
            try:
                answer.set_result(_popen(command, log))
            except OSError as fault:
                answer.set_exception(DevStackError(f"cannot start {command[0]}: {fault.strerror or fault}"))


def _popen(command: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
    leashed = [sys.executable, "-I", "-S", str(_LEASH), str(os.getpid()), *command]
    with log.open("wb") as output:
        return subprocess.Popen(
            leashed,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=log.parent,
            start_new_session=True,  # Ctrl-C in the terminal is the parent's business
        )


_spawner = _Spawner()
