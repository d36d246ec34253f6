"""CPU time by process, so that a figure shows the cost beside the elapsed time."""

from collections.abc import Mapping

import psutil


class CpuMeter:
    """User and system time of named processes, and of this process as `load`."""

    def __init__(self, pids: Mapping[str, int]) -> None:
        self._processes = {name: psutil.Process(pid) for name, pid in pids.items()}
        self._processes["load"] = psutil.Process()
        self._before: dict[str, float] = {}

    def start(self) -> None:
        """Start counting."""
        self._before = self._now()

    def stop(self, events: int) -> dict[str, float]:
        """Return microseconds per event since `start`, by process."""
        now = self._now()
        return {name: (now[name] - self._before[name]) * 1e6 / events for name in now}

    def _now(self) -> dict[str, float]:
        times = {name: process.cpu_times() for name, process in self._processes.items()}
        return {name: spent.user + spent.system for name, spent in times.items()}
