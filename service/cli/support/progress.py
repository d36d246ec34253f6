"""Progress of a command on stderr: a line that is replaced, on a terminal only, and only of what takes a second."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Lock, Thread

from service.cli.support.cells import cut
from service.cli.support.output import terminal_width
from service.model.mask import printable

_DELAY_S, _INTERVAL_S = 1.0, 0.2
_CLEAR = "\r\x1b[2K"


class ProgressLine:
    """A line with a label, what the command says of itself, and the seconds that it has taken."""

    def __init__(self, label: str, columns: int) -> None:
        self._label = label
        self._columns = columns
        self._began_s = time.monotonic()
        self._text = ""
        self._is_shown = False
        self._lock = Lock()

    def show(self, text: str) -> None:
        """Say how far the command is."""
        self._text = text

    def clear(self) -> None:
        """Remove the line until the next interval, for output of another kind."""
        with self._lock:
            if self._is_shown:
                self._is_shown = False
                self._write("")

    def draw(self) -> None:
        """Replace the line, once the command has taken a second."""
        elapsed_s = time.monotonic() - self._began_s
        if elapsed_s < _DELAY_S:
            return
        text = ", ".join(filter(None, (self._text, f"{elapsed_s:.0f} s")))
        with self._lock:
            self._is_shown = True
            self._write(cut(printable(f"{self._label}: {text}"), self._columns - 1))

    def _write(self, text: str) -> None:
        sys.stderr.write(_CLEAR + text)
        sys.stderr.flush()


@contextmanager
def progress(label: str) -> Iterator[ProgressLine]:
    """Yield the line of a command that is at work, and draw it five times a second; nothing in a pipe."""
    columns = terminal_width(stderr=True)
    line, ended = ProgressLine(label, columns or 0), Event()

    def draw() -> None:
        while not ended.wait(_INTERVAL_S):
            line.draw()

    thread = Thread(target=draw, daemon=True)  # a thread, because a command that is busy has no other turn
    if columns is not None:
        thread.start()
    try:
        yield line
    finally:
        ended.set()
        if columns is not None:
            thread.join()
        line.clear()
