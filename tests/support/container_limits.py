"""Runs a program as the compose file runs a container, without Docker.

It gets a mount namespace of its own with a read-only root, a user who is nobody, and no capabilities. As a program this
is the part inside: `unshare --mount … python contained.py LIMITS COMMAND…`, started by root.
"""

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
_NEEDED = (_ROOT, Path(sys.prefix), Path(sys.base_prefix))
_KERNELS = ("/proc", "/sys", "/dev")


def limits(dockerfile: str, service: Mapping[str, Any]) -> dict[str, Any]:
    """What image and compose file say about who runs and what may be written."""
    return {
        "user": int(re.findall(r"^USER (\d+)", dockerfile, re.MULTILINE)[-1]),
        "read_only": service["read_only"],
        "tmpfs": service["tmpfs"],
        "cap_drop": service["cap_drop"],
        "security_opt": service["security_opt"],
    }


def may_unshare() -> bool:
    """Whether this machine lets us make a mount namespace and mount in it."""
    try:
        mounted = subprocess.run(
            [*UNSHARE, "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True, check=False
        )
    except FileNotFoundError:
        return False
    return os.geteuid() == 0 and mounted.returncode == 0


def contained(limit: Mapping[str, Any], *command: str) -> list[str]:
    """The command line that runs this command within these limits."""
    return [*UNSHARE, sys.executable, __file__, json.dumps(limit), *command]


def main(limit: Mapping[str, Any], command: Sequence[str]) -> None:
    """Close the door behind us, and become the command."""
    kept = {path: os.open(path, os.O_PATH) for path in _NEEDED}
    hidden = {top for path in _NEEDED if (top := _closed(path)) is not None}
    for place in sorted({*map(Path, limit["tmpfs"]), *hidden}):
        mode = "1777" if str(place) in limit["tmpfs"] else "755"
        _mount("-t", "tmpfs", "-o", f"noexec,nosuid,nodev,mode={mode}", "tmpfs", str(place))
    for path, fd in kept.items():
        if not path.exists():
            path.mkdir(parents=True, mode=0o755)
            _mount("--no-canonicalize", "--bind", f"/proc/self/fd/{fd}", str(path), fds=(fd,))
        os.close(fd)
    if limit["read_only"]:
        for place in _mounts():
            if not place.startswith(_KERNELS) and place not in limit["tmpfs"]:
                _mount("-o", "remount,bind,ro", place)
    os.chdir("/")
    drop = ["--bounding-set=-all", "--inh-caps=-all"] if limit["cap_drop"] == ["ALL"] else []
    alone = ["--no-new-privs"] if "no-new-privileges:true" in limit["security_opt"] else []
    user = [f"--reuid={limit['user']}", f"--regid={limit['user']}", "--clear-groups"]
    os.execvp("setpriv", ["setpriv", *user, *drop, *alone, "--", *command])


def _closed(path: Path) -> Path | None:
    """The first folder on the way that strangers may not enter."""
    return next((p for p in reversed(path.parents) if not p.stat().st_mode & stat.S_IXOTH), None)


def _mounts() -> list[str]:
    rows = Path("/proc/self/mounts").read_text().splitlines()
    return [row.split(" ")[1].encode().decode("unicode_escape") for row in rows]


def _mount(*arguments: str, fds: Sequence[int] = ()) -> None:
    subprocess.run(["mount", *arguments], check=True, pass_fds=fds)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]), sys.argv[2:])
