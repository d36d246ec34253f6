"""A command under a pseudo-terminal of some width, and the faults of what it prints there."""

import fcntl
import os
import re
import struct
import subprocess
import termios
from collections.abc import Mapping, Sequence

from rich.cells import cell_len

_SGR = re.compile(r"\x1b\[[0-9;]*m")
_CLEARED = re.compile(r"[^\n]*\r\x1b\[2K")  # a line of progress, and what replaces it
_VARYING = re.compile(
    r"[\d:.,\u202f/%-]+|[\d-]{10}|s|min|h|d|ago|in|for|since|now|until|TO?|Z|UTC|\d+ms|yes|no"
)
"""Words that are not the same in a pipe: ages instead of times, and numbers that grow meanwhile."""


def run_in_terminal(
    command: Sequence[str],
    environment: Mapping[str, str],
    columns: int,
    keys: tuple[bytes, bytes] | None = None,
    timeout_s: float = 120,
) -> tuple[int, str]:
    """Run a command with stdout and stderr on a pseudo-terminal; return its exit code and what it printed.

    `keys`: a text, and the keys to press once it is printed.
    """
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    variables = {name: value for name, value in environment.items() if name not in ("COLUMNS", "NO_COLOR")}
    with subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=variables | {"TERM": "xterm-256color"}
    ) as process:
        os.close(theirs)
        chunks: list[bytes] = []
        while True:
            if keys is not None and keys[0] in b"".join(chunks):
                os.write(ours, keys[1])
                keys = None
            try:
                chunk = os.read(ours, 65_536)
            except OSError:  # Linux: the other side is closed
                break
            if not chunk:
                break
            chunks.append(chunk)
        os.close(ours)
        return process.wait(timeout_s), b"".join(chunks).decode()


def lines_of(output: str) -> list[str]:
    """Return the lines that a terminal shows, without colours and without progress."""
    text = _CLEARED.sub("", output.replace("\r\n", "\n"))
    return _SGR.sub("", text).split("\n")


def terminal_faults(output: str, columns: int, whole: str | None = None) -> list[str]:
    """Return what is wrong with the output of a command on a terminal of so many columns.

    A line is wider than the terminal; a character could control it; with `whole`, the output in a pipe, a word is cut
    that has no ellipsis.
    """
    faults = []
    words = set(re.findall(r"\S+", whole or ""))
    for line in lines_of(output):
        if (cells := cell_len(line)) > columns:
            faults.append(f"{cells} cells: {line!r}")
        if not line.replace("\u202f", " ").isprintable():
            faults.append(f"control character: {line!r}")
        faults += [f"cut: {word!r} in {line!r}" for word in line.split() if words and _is_cut(word, words)]
    return faults


def _is_cut(word: str, words: set[str]) -> bool:
    """Return whether a word is a piece of one in the pipe. Between wide characters a line may be broken."""
    if "…" in word or word in words or _VARYING.fullmatch(word.rstrip(",:;")):
        return False
    if cell_len(word) == len(word):
        wide = {whole for whole in words if cell_len(whole) > len(whole)}
        return not any(word in re.split(r"[\u1100-\uffff]+", whole) for whole in wide)
    return not any(word in whole for whole in words)
