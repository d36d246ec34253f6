"""The Kafka broker's jars, resolved once by `jgo` and kept in its cache.

A version's folder appears by one rename when all its jars are there, so a folder that exists is complete: an
interrupted download, or two at once, can leave nothing half made, and a later start needs no network.
"""

import fcntl
import importlib
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType

from service.dev.errors import DevStackError

VERSIONS = ("4.3.1", "4.3.0", "4.4.0", "4.2.2")  # in order of preference
_TICK_SECONDS = 3.0

Progress = Callable[[str], None]


def kafka_jars(progress: Progress) -> Path:
    """The folder that holds the broker's jars; downloads them if this user never did (45 MB, once).

    DevStackError if they are neither there nor to be had, or the cache cannot be written to.
    """
    maven = _resolver()
    cache = maven.jar_cache()
    try:
        cache.mkdir(parents=True, exist_ok=True)
        found = _complete(cache)
        if found is None:
            with _only_one(cache, progress):
                found = _complete(cache) or _download(cache, maven.download, progress)
    except OSError as fault:
        raise DevStackError(_explained(fault, cache)) from fault
    return found


def _explained(fault: OSError, cache: Path) -> str:
    if fault.errno is not None:  # the operating system's; those of the network library carry no number
        return f"Kafka: cannot write to {cache} ({fault.strerror}); set JGO_CACHE_DIR to another folder"
    return (
        f"Kafka: the broker's jars are not here yet and could not be fetched ({type(fault).__name__}); "
        "connect to the network for this first start, or set TOCSIN_KAFKA__BOOTSTRAP"
    )


@contextmanager
def _only_one(cache: Path, progress: Progress) -> Iterator[None]:
    """One process at a time; the lock goes with its holder, however that ends."""
    with (cache / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress("Kafka: waiting for another process that fetches the broker's jars")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _resolver() -> ModuleType:
    try:
        return importlib.import_module("service.dev.maven")
    except ImportError as fault:
        raise DevStackError(
            "Kafka: jgo is missing; install the extra tocsin[embedded] or set TOCSIN_KAFKA__BOOTSTRAP"
        ) from fault


def _complete(cache: Path) -> Path | None:
    return next((cache / version for version in VERSIONS if (cache / version).is_dir()), None)


def _download(cache: Path, fetch: Callable[[str, Path], Path], progress: Progress) -> Path:
    staging = cache / "staging"
    missing = RuntimeError()
    for version in VERSIONS:
        shutil.rmtree(staging, ignore_errors=True)
        progress(f"Kafka {version}: fetching the broker's jars, about 45 MB, this first time only")
        try:
            with _ticking(progress, staging, version):
                jars = fetch(version, staging)
        except RuntimeError as fault:  # jgo's way to say: not in the repository
            missing = fault
            continue
        jars.rename(cache / version)
        shutil.rmtree(staging, ignore_errors=True)
        progress(f"Kafka {version}: jars ready")
        return cache / version
    raise DevStackError(f"Kafka: none of the versions {', '.join(VERSIONS)} could be resolved: {missing}")


@contextmanager
def _ticking(progress: Progress, staging: Path, version: str) -> Iterator[None]:
    """Say every few seconds how far the download has come."""
    done = threading.Event()

    def tick() -> None:
        while not done.wait(_TICK_SECONDS):
            with suppress(FileNotFoundError):  # files move while they are counted
                poms = len(list(staging.rglob("*.pom")))
                sizes = [file.stat().st_size for file in staging.rglob("*.jar")]
                megabytes = sum(sizes) / 1e6
                progress(
                    f"Kafka {version}: {poms} descriptions, {len(sizes)} jars, {megabytes:.0f} MB so far"
                )

    ticker = threading.Thread(target=tick, name="kafka-jars-progress", daemon=True)
    ticker.start()
    try:
        yield
    finally:
        done.set()
        ticker.join()
