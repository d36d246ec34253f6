"""Report of a scenario as a row of the results table, and the table in docs/reliability.md."""

import os
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tests.chaos.scenario import Scenario
from tests.chaos.verdict import Verdict
from tests.support.paths import ROOT

RESULTS = ROOT / "docs" / "reliability.md"
COLUMNS = (
    "fault", "ref", "seed", "events", "lost", "inbox dup.", "mail dup.", "bound", "drift", "s to recover", "outcome",
)  # fmt: skip
_BEGIN, _END = "<!-- chaos results: written by `make chaos` -->", "<!-- end of chaos results -->"


@dataclass(frozen=True)
class Report:
    """One row of the table. `verdict` is None when the scenario did not run to its end, or did not run."""

    scenario: Scenario
    seed: int
    events: int = 0
    verdict: Verdict | None = None
    mail_bound: int = 0
    recovery_s: float = 0.0
    note: str = ""
    error: str = ""
    skipped: str = ""

    @property
    def name(self) -> str:
        return self.scenario.name

    @property
    def faults(self) -> list[str]:
        """Return the broken guarantees; a scenario that did not run to its end is broken too."""
        if self.skipped:
            return []
        broken = self.verdict.faults(self.mail_bound) if self.verdict else []
        if self.scenario.planted:
            caught = self.verdict is not None and self.verdict.lost > 0
            return (
                [] if caught else ["the planted fault was not caught", *broken, *filter(None, [self.error])]
            )
        return broken + [self.error] * bool(self.error)

    @property
    def came_to(self) -> str:
        if self.skipped:
            return f"skipped: {self.skipped}"
        if self.scenario.planted:
            return "caught: no" if self.faults else "caught: yes"
        return "**BROKEN**" if self.faults else "held"

    def row(self) -> tuple[str, ...]:
        """Return the cells in the order of COLUMNS."""
        verdict = self.verdict
        counts: tuple[str, ...] = ("-",) * 6
        if verdict is not None:
            numbers = (verdict.lost, verdict.inbox_duplicates, verdict.mail_duplicates, self.mail_bound)
            counts = (*map(str, (*numbers, verdict.unread_drift)), f"{self.recovery_s:.1f}")
        outcome = f"{self.came_to}; {self.note}" if self.note else self.came_to
        return (self.name, self.scenario.ref, str(self.seed), str(self.events), *counts, outcome)


def write(reports: Sequence[Report], command: str, seconds: float) -> None:
    """Write the table into docs/reliability.md, between its two markers."""
    lines = [
        f"Measured {datetime.now(UTC):%Y-%m-%d %H:%M} UTC at commit {_commit()} by `{command}`, in "
        f"{seconds / 60:.0f} min, all on one machine: {_machine()}.",
        "",
        "| " + " | ".join(COLUMNS) + " |",
        "|" + "---|" * len(COLUMNS),
        *("| " + " | ".join(report.row()) + " |" for report in reports),
    ]
    text = RESULTS.read_text()
    before, _, rest = text.partition(_BEGIN)
    after = rest.partition(_END)[2]
    RESULTS.write_text("\n".join([before.rstrip(), "", _BEGIN, "", *lines, "", _END + after]))


def _machine() -> str:
    names = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    cores = f"{os.cpu_count()} cores ({names[0] if names else platform.machine()})"
    return f"{cores}, {memory:.0f} GiB, Linux {platform.release()}"


def _commit() -> str:
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip()
