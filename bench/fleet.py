"""The workers of the wide event: processes that can be killed and started again, and the sink of their mail."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from bench.sides import Processes
from bench.stack import Stack
from service.settings import templates_directory

ROLE, TYPE = "subscriber", "wide_announcement"
_CATALOGUE = f"""\
[{TYPE}]
title = "Deposit received"
description = "A type of the benchmark: to all holders of a role, in the lane of campaigns"
audience = [{{ kind = "role", role = "{ROLE}" }}]
channels = ["email", "inbox"]
lane = "bulk"
ttl = 345_600
sample = {{ data = {{ lot_id = "1" }} }}
[{TYPE}.meta]
lot_id = {{ description = "the lot" }}
"""
_TEXTS_OF = "deposit_received"
STAGES: Mapping[str, tuple[str, ...]] = {
    "resolve": ("resolve",),
    "inbox": ("inbox",),
    "email": ("email", "schedule"),
}
"""The stages of each worker."""


class Fleet:
    """One worker for each list of stages. `peak_bytes`: by worker, the most memory that it or one before it took."""

    def __init__(self, directory: Path, env: Mapping[str, str], profile: Path | None) -> None:
        self.processes = Processes()
        self.peak_bytes: dict[str, int] = {}
        self._directory, self._env, self._profile = directory, env, profile

    def start(self, name: str) -> None:
        """Start a worker."""
        arguments = ["bench.worker"]
        if self._profile:
            arguments += ["--profile", str(self._profile / f"wide-{name}.txt")]
        env = {**self._env, "TOCSIN_WORKER__STAGES": json.dumps(STAGES[name])}
        self.processes.start(name, arguments, env, self._directory / f"{name}.log")

    def kill(self, name: str) -> None:
        """Kill a worker."""
        self.note_peaks()
        self.processes.kill(name)

    def note_peaks(self) -> None:
        """Note the peak memory of each worker so far: VmHWM, the resident set."""
        for name, pid in self.processes.pids.items():
            status = Path(f"/proc/{pid}/status").read_text()
            peak_bytes = int(status.partition("VmHWM:")[2].split()[0]) * 1024
            self.peak_bytes[name] = max(peak_bytes, self.peak_bytes.get(name, 0))


@contextmanager
def counting_sink() -> "Iterator[subprocess.Popen[bytes]]":
    """Run the sink that counts each Message-ID. Its first line of output is its port."""
    command = [sys.executable, "-m", "bench.counting_sink"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as sink:
        try:
            yield sink
        finally:
            sink.kill()


@contextmanager
def running_fleet(
    stack: Stack, directory: Path, sink: "subprocess.Popen[bytes]", profile: Path | None
) -> Iterator[Fleet]:
    """Run the workers, with a catalogue that has the type of the event."""
    templates = directory / "templates"
    shutil.copytree(templates_directory(), templates)
    shutil.copytree(templates / _TEXTS_OF, templates / TYPE)
    (templates / "catalogue" / "wide.toml").write_text(_CATALOGUE)
    assert sink.stdout is not None
    env = {
        "TOCSIN_KAFKA__BOOTSTRAP": stack.bootstrap,
        "TOCSIN_REDIS__URL": stack.redis_url,
        "TOCSIN_SMTP__HOST": "127.0.0.1",
        "TOCSIN_SMTP__PORT": str(int(sink.stdout.readline())),
        "TOCSIN_TEMPLATES__DIRECTORY": str(templates),
        "TOCSIN_LOG_LEVEL": "WARNING",
    }
    fleet = Fleet(directory, env, profile)
    try:
        for name in STAGES:
            fleet.start(name)
        yield fleet
    finally:
        fleet.processes.stop()
