"""Memory of processes while they work, so that a figure shows whether it grows."""

from collections.abc import Mapping

import psutil

_SHARES = (0.25, 0.5, 0.75, 1.0)
_MIB = 1_048_576


class MemorySamples:
    """The resident memory of named processes, by how much of the work is done."""

    def __init__(self, pids: Mapping[str, int]) -> None:
        self._processes = {name: psutil.Process(pid) for name, pid in pids.items()}
        self._samples: list[tuple[float, dict[str, float]]] = []

    def sample(self, share: float) -> None:
        """Note the memory when a share of the work is done."""
        now = {name: process.memory_info().rss / _MIB for name, process in self._processes.items()}
        self._samples.append((share, now))

    def by_share(self) -> dict[str, list[float]]:
        """Return for each process the largest memory in MiB of each quarter of the work."""
        quarters: dict[str, list[float]] = {name: [0.0] * len(_SHARES) for name in self._processes}
        for share, sizes in self._samples:
            quarter = next((n for n, end in enumerate(_SHARES) if share <= end), len(_SHARES) - 1)
            for name, mib in sizes.items():
                quarters[name][quarter] = max(quarters[name][quarter], round(mib, 1))
        return quarters
