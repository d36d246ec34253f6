"""Run a command that cannot outlive the process that started it.

Run as `python leash.py PARENT_PID COMMAND …`, it asks the kernel for SIGKILL on the parent's death
(prctl(2), PR_SET_PDEATHSIG; it survives exec) and becomes the command. A `preexec_fn` would run Python in a
forked child of a process with threads, which is unsafe. Off Linux it only becomes the command.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(parent: int, command: list[str]) -> None:
    """Tie this process to `parent` and exec `command`; exits at once if `parent` has already gone."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            raise SystemExit(1)
    os.execv(command[0], command)  # noqa: S606  (no shell is wanted)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
