"""Run a program under the limits that the compose file sets for a container, without Docker.

It gets a mount namespace of its own with a read-only root, an unprivileged user, no capabilities, and, as under
systemd, no memory that is both writable and executable. Run as a program,
this module is the part inside: `unshare --mount … python container_limits.py LIMITS COMMAND…`, started by root.
"""

import ctypes
import json
import os
import re
import stat
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

UNSHARE = ("unshare", "--mount", "--propagation", "private")
_ROOT = Path(__file__).resolve().parents[2]
_NEEDED_PATHS = (_ROOT, Path(sys.prefix), Path(sys.base_prefix))
_KERNEL_MOUNTS = ("/proc", "/sys", "/dev")
_PR_SET_MDWE, _REFUSE_EXEC_GAIN = 65, 1


def read_limits(dockerfile: str, service: Mapping[str, Any]) -> dict[str, Any]:
    """Return the limits of a service: its user, by the image, and what it may write and do, by the compose file."""
    return {
        "user": int(re.findall(r"^USER (\d+)", dockerfile, re.MULTILINE)[-1]),
        "read_only": service["read_only"],
        "tmpfs": service["tmpfs"],
        "cap_drop": service["cap_drop"],
        "security_opt": service["security_opt"],
    }


def can_unshare() -> bool:
    """Return whether this machine lets us create a mount namespace and mount in it."""
    try:
        mounted = subprocess.run(
            [*UNSHARE, "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True, check=False
        )
    except FileNotFoundError:
        return False
    return os.geteuid() == 0 and mounted.returncode == 0


def confined_command(limits: Mapping[str, Any], *command: str) -> list[str]:
    """Return the command line that runs this command within these limits."""
    return [*UNSHARE, sys.executable, __file__, json.dumps(limits), *command]


def main(limits: Mapping[str, Any], command: Sequence[str]) -> None:
    """Apply the limits to this process, and replace it by the command."""
    kept = {path: os.open(path, os.O_PATH) for path in _NEEDED_PATHS}
    hidden = {top for path in _NEEDED_PATHS if (top := _first_closed_folder(path)) is not None}
    for place in sorted({*map(Path, limits["tmpfs"]), *hidden}):
        mode = "1777" if str(place) in limits["tmpfs"] else "755"
        _mount("-t", "tmpfs", "-o", f"noexec,nosuid,nodev,mode={mode}", "tmpfs", str(place))
    for path, fd in kept.items():
        if not path.exists():
            path.mkdir(parents=True, mode=0o755)
            _mount("--no-canonicalize", "--bind", f"/proc/self/fd/{fd}", str(path), fds=(fd,))
        os.close(fd)
    if limits["read_only"]:
        for place in _mounts():
            if not place.startswith(_KERNEL_MOUNTS) and place not in limits["tmpfs"]:
                _mount("-o", "remount,bind,ro", place)
    os.chdir("/")
    drop = ["--bounding-set=-all", "--inh-caps=-all"] if limits["cap_drop"] == ["ALL"] else []
    alone = ["--no-new-privs"] if "no-new-privileges:true" in limits["security_opt"] else []
    # MemoryDenyWriteExecute= of the systemd units; a kernel before 6.3 does not know it.
    ctypes.CDLL(None).prctl(_PR_SET_MDWE, _REFUSE_EXEC_GAIN, 0, 0, 0)
    user = [f"--reuid={limits['user']}", f"--regid={limits['user']}", "--clear-groups"]
    os.execvp("setpriv", ["setpriv", *user, *drop, *alone, "--", *command])


def _first_closed_folder(path: Path) -> Path | None:
    """Return the topmost folder above `path` that other users may not enter; None if they may enter all."""
    return next((p for p in reversed(path.parents) if not p.stat().st_mode & stat.S_IXOTH), None)


def _mounts() -> list[str]:
    lines = Path("/proc/self/mounts").read_text().splitlines()
    return [line.split(" ")[1].encode().decode("unicode_escape") for line in lines]


def _mount(*arguments: str, fds: Sequence[int] = ()) -> None:
    subprocess.run(["mount", *arguments], check=True, pass_fds=fds)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]), sys.argv[2:])
