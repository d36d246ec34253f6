"""The Kafka broker's jars, downloaded once by `jgo` and kept in its cache.

A version's folder appears by one rename when all its jars are there, so an existing folder is complete: an
interrupted download, or two concurrent ones, leave no partial folder, and a later start needs no network.
"""

import importlib
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from types import ModuleType

from service.dev.cache_lock import cache_lock
from service.dev.errors import DevStackError

VERSIONS = ("4.3.1", "4.3.0", "4.4.0", "4.2.2")  # in order of preference
_PROGRESS_INTERVAL_S = 3.0
_WAITS = "Kafka: waiting for another process that downloads the broker's jars"

Progress = Callable[[str], None]
"""A callback that takes one line of progress."""


def kafka_jars(progress: Progress) -> Path:
    """Return the folder that holds the broker's jars; download them if this user has not yet (45 MB, once).

    Raise DevStackError when they are neither cached nor available, or when the cache is not writable.
    """
    maven = _load_resolver()
    cache = maven.jar_cache()
    try:
        cache.mkdir(parents=True, exist_ok=True)
        jars = _cached_version(cache)
        if jars is None:
            with cache_lock(cache, partial(progress, _WAITS)):
                # Checked again under the lock: the process that held it may have downloaded them.
                jars = _cached_version(cache) or _download(cache, maven.download, progress)
    except OSError as error:
        raise DevStackError(_explain(error, cache)) from error
    return jars


def _explain(error: OSError, cache: Path) -> str:
    if error.errno is not None:  # the operating system's; those of the network library carry no number
        return f"Kafka: cannot write to {cache} ({error.strerror}); set JGO_CACHE_DIR to another folder"
    return (
        f"Kafka: the broker's jars are not cached yet and could not be downloaded ({type(error).__name__}); "
        "connect to the network for this first start, or set TOCSIN_KAFKA__BOOTSTRAP"
    )


def _load_resolver() -> ModuleType:
    try:
        return importlib.import_module("service.dev.maven")
    except ImportError as error:
        raise DevStackError(
            "Kafka: jgo is missing; install the extra tocsin[embedded] or set TOCSIN_KAFKA__BOOTSTRAP"
        ) from error


def _cached_version(cache: Path) -> Path | None:
    return next((cache / version for version in VERSIONS if (cache / version).is_dir()), None)


def _download(cache: Path, download: Callable[[str, Path], Path], progress: Progress) -> Path:
    staging = cache / "staging"
    last_error = RuntimeError()
    for version in VERSIONS:
        shutil.rmtree(staging, ignore_errors=True)
        progress(f"Kafka {version}: downloading the broker's jars, about 45 MB, this first time only")
        try:
            with _progress_reports(progress, staging, version):
                jars = download(version, staging)
        except RuntimeError as error:  # jgo's error for a version that the repository does not have
            last_error = error
            continue
        # The rename comes last: the folder must not exist under its version before it is complete.
        jars.rename(cache / version)
        shutil.rmtree(staging, ignore_errors=True)
        progress(f"Kafka {version}: jars ready")
        return cache / version
    raise DevStackError(f"Kafka: none of the versions {', '.join(VERSIONS)} could be resolved: {last_error}")


@contextmanager
def _progress_reports(progress: Progress, staging: Path, version: str) -> Iterator[None]:
    """Report the downloaded size every few seconds while the block runs."""
    done = threading.Event()

    def report() -> None:
        while not done.wait(_PROGRESS_INTERVAL_S):
            with suppress(FileNotFoundError):  # files move while they are counted
                poms = len(list(staging.rglob("*.pom")))
                sizes = [file.stat().st_size for file in staging.rglob("*.jar")]
                megabytes = sum(sizes) / 1e6
                progress(f"Kafka {version}: {poms} POM files, {len(sizes)} jars, {megabytes:.0f} MB so far")

    reporter = threading.Thread(target=report, name="kafka-jars-progress", daemon=True)
    reporter.start()
    try:
        yield
    finally:
        done.set()
        reporter.join()
