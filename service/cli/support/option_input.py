"""The input that an option names: the text itself, `@FILE`, or `-` for standard input."""

import sys
from pathlib import Path

from service.cli.support.output import CliError


def read_input(option: str, text: str) -> bytes:
    """Return the bytes that the option names. Raise CliError with the option's name when a file cannot be read."""
    if text == "-":
        return sys.stdin.buffer.read()
    if not text.startswith("@"):
        return text.encode("utf-8", "surrogateescape")
    try:
        return Path(text[1:]).read_bytes()
    except OSError as error:
        raise CliError(f"{option}: {text[1:]} cannot be read: {error.strerror}") from error
