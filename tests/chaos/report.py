"""The report of a scenario: a row of the results table, and the table in docs/reliability.md."""

import os
import platform
import subprocess
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tests.chaos.check import CheckResult
from tests.chaos.scenario import Scenario
from tests.support.paths import ROOT

RESULTS = ROOT / "docs" / "reliability.md"
COLUMNS = (
    "fault", "ref", "seed", "events", "lost", "inbox dup.", "mail dup.", "bound", "drift", "s to recover", "outcome",
)  # fmt: skip
_BEGIN, _END = "<!-- chaos results: written by `make chaos` -->", "<!-- end of chaos results -->"


@dataclass(frozen=True)
class Report:
    """One row of the table. `result` is None when the scenario did not run, or not to its end."""

    scenario: Scenario
    seed: int
    events: int = 0
    result: CheckResult | None = None
    mail_bound: int = 0
    recovery_s: float = 0.0
    note: str = ""
    error: str = ""
    skipped: str = ""

    @property
    def name(self) -> str:
        return self.scenario.name

    @property
    def violations(self) -> list[str]:
        """Return the broken guarantees. A scenario that did not run to its end has broken one, too."""
        if self.skipped:
            return []
        violations = self.result.violations(self.mail_bound) if self.result else []
        if self.scenario.planted:
            caught = self.result is not None and getattr(self.result, self.scenario.planted) > 0
            return (
                []
                if caught
                else ["the planted fault was not caught", *violations, *filter(None, [self.error])]
            )
        return violations + [self.error] * bool(self.error)

    @property
    def outcome(self) -> str:
        if self.skipped:
            return f"skipped: {self.skipped}"
        if self.scenario.planted:
            return "caught: no" if self.violations else "caught: yes"
        return "**BROKEN**" if self.violations else "held"

    def row(self) -> tuple[str, ...]:
        """Return the cells in the order of COLUMNS."""
        result = self.result
        counts: tuple[str, ...] = ("-",) * 6
        if result is not None:
            numbers = (result.lost, result.inbox_duplicates, result.mail_duplicates, self.mail_bound)
            counts = (*map(str, (*numbers, result.unread_drift)), f"{self.recovery_s:.1f}")
        outcome = f"{self.outcome}; {self.note}" if self.note else self.outcome
        return (self.name, self.scenario.ref, str(self.seed), str(self.events), *counts, outcome)


def write(reports: Sequence[Report], names: Sequence[str], command: str, elapsed_s: float) -> None:
    """Write the table into docs/reliability.md, between its two markers: a row for each of `names`, in their order.

    A scenario that was not run keeps the row of an earlier run.
    """
    text = RESULTS.read_text()
    before, _, rest = text.partition(_BEGIN)
    earlier, _, after = rest.partition(_END)
    rows = {name: row for row in earlier.splitlines() if (name := _name_in(row)) in names}
    rows |= {report.name: "| " + " | ".join(report.row()) + " |" for report in reports}
    caption = (
        f"Measured {datetime.now(UTC):%Y-%m-%d %H:%M} UTC at commit {_commit()} by `{command}`, in "
        f"{elapsed_s / 60:.0f} min, on one machine: {_machine()}."
    )
    if kept := len(rows) - len(reports):
        caption += f" {kept} rows are of earlier runs."
    lines = [
        *textwrap.wrap(caption, 100, break_long_words=False, break_on_hyphens=False),
        "",
        "| " + " | ".join(COLUMNS) + " |",
        "|" + "---|" * len(COLUMNS),
        *(rows[name] for name in names if name in rows),
    ]
    RESULTS.write_text("\n".join([before.rstrip(), "", _BEGIN, "", *lines, "", _END + after]))


def _name_in(row: str) -> str:
    return row.removeprefix("| ").partition(" | ")[0]


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
    """Return the commit that was measured; `-dirty` where other files than the document differ from it."""
    try:
        commit = _git("describe", "--always")
        changed = _git("status", "--porcelain", "--", ".", ":!docs/reliability.md")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{commit}-dirty" if changed else commit


def _git(*arguments: str) -> str:
    run = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
    return run.stdout.strip()
