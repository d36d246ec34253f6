"""Named points cost nothing unless one is armed, and then kill at the right time."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from streams.faults import points as faults


def test_an_empty_setting_arms_nothing() -> None:
    """Without a setting the hook is the one that does nothing."""
    assert faults.kill_at("") is faults.no_fault


def test_a_count_that_is_no_number_is_refused() -> None:
    """A misspelt setting is an error at start, not a test that kills nothing."""
    with pytest.raises(ValueError, match="x"):
        faults.kill_at("after_commit:x")


def test_kills_at_the_named_point_the_nth_time() -> None:
    """Other points and earlier passes are passed."""
    script = (
        "from streams.faults.points import kill_at\n"
        "fault = kill_at('after_commit:2')\n"
        "for name in ('after_commit', 'other', 'other', 'after_commit'):\n"
        "    print(name, flush=True); fault(name)\n"
        "print('survived', flush=True)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, env=environment, check=False)
    assert run.returncode == -signal.SIGKILL
    assert run.stdout.split() == [b"after_commit", b"other", b"other", b"after_commit"]
