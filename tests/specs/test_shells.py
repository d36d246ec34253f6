"""What a shell does with a worker's services, the same for Faust and for plain asyncio (ADR 19)."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import IO, NamedTuple

import orjson
import pytest

from tests.support.paths import ROOT

SHELLS = ("faust", "asyncio")
STARTED = ["first started", "second starts", "second started"]
STOPPED = ["first drains", "first stopped", "first ended its task", "second stopped"]


class Ended(NamedTuple):
    """What a process printed, in order, the events that it logged, and its exit code."""

    lines: list[str]
    events: list[str]
    code: int


class Process:
    """A process of `shell_process`."""

    def __init__(self, shell: str, case: str) -> None:
        self.lines: list[str] = []
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.shell_process", shell, case],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def read_until(self, line: str) -> None:
        """Read what it prints, up to this line."""
        while not self.lines or self.lines[-1] != line:
            self.lines.append(self._output.readline().rstrip("\n"))
            assert self.lines[-1], self.end()

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def end(self) -> Ended:
        """Wait for its end."""
        out, err = self._process.communicate(timeout=60)
        self.lines += out.splitlines()
        logged = [orjson.loads(line) for line in err.splitlines() if line.startswith("{")]
        return Ended(self.lines, [line["event"] for line in logged], self._process.returncode)

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()

    @property
    def _output(self) -> IO[str]:
        assert self._process.stdout is not None
        return self._process.stdout


CASES = ("plain", "task_fails", "start_waits", "drain_hangs")


@pytest.fixture(scope="module", params=SHELLS)
def processes(request: pytest.FixtureRequest) -> Iterator[dict[str, Process]]:
    """Yield a process for each case; they start at the same time, since most of it is imports."""
    started = {case: Process(request.param, case) for case in CASES}
    try:
        yield started
    finally:
        for process in started.values():
            process.kill()


def sort_first(lines: list[str]) -> list[str]:
    """Return the lines in the order of STOPPED: a task may end while the stop of its service waits."""
    return sorted(lines, key=STOPPED.index)


def test_a_signal_drains_all_services(processes: dict[str, Process]) -> None:
    """They stop one after the other, and the process ends with 0."""
    process = processes["plain"]
    process.read_until("second started")
    process.send(signal.SIGTERM)
    ended = process.end()

    assert ended.lines[:3] == STARTED
    assert sort_first(ended.lines[3:]) == STOPPED
    assert ended.lines[-1] == "second stopped"
    assert (ended.code, ended.events) == (0, [])


def test_a_service_that_fails_ends_the_worker(processes: dict[str, Process]) -> None:
    """All of them drain first; the exit code is 1, and a log line has the error."""
    ended = processes["task_fails"].end()

    assert ended.lines[:3] == STARTED
    assert ended.lines[-1] == "second stopped"
    assert sort_first(ended.lines[-4:]) == STOPPED
    assert ended.code == 1
    assert "service_failed" in ended.events


def test_a_signal_cuts_a_start_short(processes: dict[str, Process]) -> None:
    """A worker that waits for Kafka stops at once, and closes what it had opened."""
    process = processes["start_waits"]
    process.read_until("second starts")
    process.send(signal.SIGINT)
    ended = process.end()

    assert sort_first(ended.lines[2:]) == STOPPED
    assert (ended.code, ended.events) == (0, [])


def test_a_second_signal_ends_the_worker_at_once(processes: dict[str, Process]) -> None:
    """Unless it comes with the first: a supervisor may signal a process and its group."""
    process = processes["drain_hangs"]
    process.read_until("second started")
    process.send(signal.SIGTERM)
    process.read_until("first drains")
    process.send(signal.SIGTERM)
    time.sleep(1.2)  # the test is of a duration
    process.send(signal.SIGTERM)
    ended = process.end()

    assert "first stopped" not in ended.lines
    assert (ended.code, ended.events) == (1, ["worker_ended_at_once"])
