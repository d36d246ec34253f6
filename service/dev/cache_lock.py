"""One process at a time fills a cache folder; the others wait and use what it has put there."""

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def cache_lock(cache: Path, waits: Callable[[], None]) -> Iterator[None]:
    """Hold the lock of a folder; `waits` is called if another process has it.

    The kernel releases it when its holder ends, also by SIGKILL. Raise OSError if the folder is not writable.
    """
    with (cache / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waits()
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
