"""Child processes of the embedded stack: each in its own session, stopped in bounded time, never orphaned."""

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

_DIE_WITH_PARENT = Path(__file__).with_name("die_with_parent.py")
_POLL_S = 0.02


class ServerProcess:
    """The process of one server, with its folder, its lock on that folder and its log file."""

    def __init__(self, name: str, directory: Path) -> None:
        self.name = name
        self.directory = directory.absolute()
        self.log = self.directory / f"{name.lower()}.log"
        self._lock_file: IO[str] | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Return the process id while the server runs, else None."""
        running = self._process is not None and self._process.poll() is None
        return self._process.pid if running and self._process else None

    def lock_directory(self) -> Path:
        """Create the folder if it is missing, lock it until `stop` or `kill`, and return it.

        Raise DevStackError when another process holds the lock or the folder is not writable.
        """
        self._unlock_directory()
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            self._lock_file = (self.directory / f".{self.name.lower()}.lock").open("w")
            fcntl.flock(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # released with this process
        except OSError as error:
            self._unlock_directory()
            locked = isinstance(error, BlockingIOError)
            reason = "another stack is using" if locked else f"{error.strerror}: cannot write to"
            raise DevStackError(
                f"{self.name}: {reason} {self.directory}; choose another folder with --data DIR"
            ) from error
        return self.directory

    def start(self, command: Sequence[str], ready: Callable[[], bool], timeout_s: float) -> None:
        """Start the command and return when `ready()` is true.

        Raise DevStackError when the command ends before that or is not ready after `timeout_s` seconds.
        """
        self._process = _spawner.spawn(command, self.log)
        deadline = time.monotonic() + timeout_s
        while not ready():
            code = self._process.poll()
            if code is not None:
                self._unlock_directory()
                raise DevStackError(
                    f"{self.name} ended while starting (exit code {code}){self._log_excerpt()}"
                )
            if time.monotonic() > deadline:
                self.kill()
                raise DevStackError(f"{self.name} was not ready after {timeout_s:.0f} s{self._log_excerpt()}")
            time.sleep(_POLL_S)

    def run(self, command: Sequence[str], timeout_s: float) -> None:
        """Run a command to its end. Raise DevStackError when it fails or takes longer than `timeout_s` seconds."""
        self._process = _spawner.spawn(command, self.log)
        try:
            code = self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise DevStackError(
                f"{self.name} took longer than {timeout_s:.0f} s{self._log_excerpt()}"
            ) from None
        if code != 0:
            self.kill()
            raise DevStackError(f"{self.name} failed (exit code {code}){self._log_excerpt()}")

    def stop(self, grace_s: float) -> None:
        """Send SIGTERM, wait up to `grace_s` seconds, then send SIGKILL. Do nothing when it does not run."""
        if self._process is not None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(grace_s)
        self.kill()

    def kill(self) -> None:
        """Send SIGKILL to the whole process group, and reap the process."""
        if self._process is not None and self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._process = None
        self._unlock_directory()

    def _unlock_directory(self) -> None:
        if self._lock_file is not None:
            self._lock_file.close()
            self._lock_file = None

    def _log_excerpt(self) -> str:
        lines = [line.strip() for line in self.log.read_text("utf-8", "replace").splitlines() if line.strip()]
        exceptions = [line for line in lines if "Exception" in line]
        excerpt = (exceptions or lines)[-1:]
        return f": {excerpt[0][:200]} (log: {self.log})" if excerpt else f" (log: {self.log})"


class _Spawner:
    """A spawner of child processes from one thread that runs as long as this process.

    PR_SET_PDEATHSIG fires when the *thread* that forked ends: a child of a pool's thread would die with it.
    """

    def __init__(self) -> None:
        self._requests: queue.SimpleQueue[tuple[Sequence[str], Path, Future[subprocess.Popen[bytes]]]] = (
            queue.SimpleQueue()
        )
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def spawn(self, command: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="dev-stack-spawner", daemon=True)
                self._thread.start()
        child: Future[subprocess.Popen[bytes]] = Future()
        self._requests.put((command, log, child))
        return child.result()

    def _run(self) -> None:
        while True:
            command, log, child = self._requests.get()
            try:
                child.set_result(_popen(command, log))
            except OSError as error:
                child.set_exception(DevStackError(f"cannot start {command[0]}: {error.strerror or error}"))


def _popen(command: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
    tied_command = [sys.executable, "-I", "-S", str(_DIE_WITH_PARENT), str(os.getpid()), *command]
    with log.open("wb") as output:
        return subprocess.Popen(
            tied_command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=log.parent,
            start_new_session=True,  # the terminal's Ctrl-C reaches only the parent, which stops the children in order
        )


_spawner = _Spawner()
