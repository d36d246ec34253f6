"""Run a command that cannot outlive the process that started it.

Run as `python die_with_parent.py PARENT_PID COMMAND …`, this script requests SIGKILL on the parent's death
(prctl(2), PR_SET_PDEATHSIG; the request survives exec) and becomes the command. A `preexec_fn` would run Python in a
forked child of a process with threads, which is unsafe. Off Linux the script only becomes the command.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(parent: int, command: list[str]) -> None:
    """Tie this process to `parent` and exec `command`; exit at once if `parent` has already ended."""
    if sys.platform == "linux":
        # The request comes before the check: a parent that ends in between would otherwise go unnoticed.
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            raise SystemExit(1)
    os.execv(command[0], command)  # noqa: S606  (no shell is needed)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
