"""Progress of a command on stderr: a line that is replaced, on a terminal only, and only of what takes a second."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from service.cli.support.cells import cut, printable
from service.cli.support.output import terminal_width

_DELAY_S, _INTERVAL_S = 1.0, 0.1
_CLEAR = "\r\x1b[2K"


@contextmanager
def progress(label: str) -> Iterator[Callable[[str], None]]:
    """Yield a function that shows how far a command is; clear the line at the end."""
    line = _ProgressLine(label)
    try:
        yield line.show
    finally:
        line.clear()


class _ProgressLine:
    def __init__(self, label: str) -> None:
        self._label = label
        self._next_s = time.monotonic() + _DELAY_S
        self._is_shown = False

    def show(self, text: str) -> None:
        """Replace the line, at most ten times a second."""
        now_s = time.monotonic()
        if now_s < self._next_s or (columns := terminal_width(stderr=True)) is None:
            return
        self._next_s = now_s + _INTERVAL_S
        self._is_shown = True
        sys.stderr.write(_CLEAR + cut(printable(f"{self._label}: {text}"), columns - 1))
        sys.stderr.flush()

    def clear(self) -> None:
        """Remove the line."""
        if self._is_shown:
            sys.stderr.write(_CLEAR)
            sys.stderr.flush()
