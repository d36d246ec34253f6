"""What a log says about an exception: its type and where it was raised, not its text, which may quote personal data.

An exception of a parser quotes what it parsed, one of a validator the value, one of a template the data. The text is
kept only of exceptions whose texts name servers, files and states: those of the operating system, of Kafka's client,
and of Tocsin's ports.
"""

import logging
import re
import sys
import traceback
from collections.abc import Iterator, MutableMapping
from typing import Any

_MAX_CHAIN = 8
_MAX_FRAMES = 30
_OWN_TEXT = re.compile(r"aiokafka\.errors|service\.ports\.errors|ssl")
_ARGUMENTS = re.compile(r"[(<].*", re.DOTALL)


def describe(error: BaseException) -> str:
    """Return the name of an exception's type, with its text where that cannot quote data."""
    name = type(error).__qualname__
    if isinstance(error, OSError) or _OWN_TEXT.fullmatch(type(error).__module__):
        text = " ".join(str(error).split())[:500]
        return f"{name}: {text}" if text else name
    return name


def fault_of(error: BaseException) -> dict[str, Any]:
    """Return an exception as fields of a line: its type, the last frames, and its cause."""
    frames = traceback.extract_tb(error.__traceback__)[-6:]
    fault: dict[str, Any] = {
        "error": describe(error),
        "at": [f"{'/'.join(frame.filename.split('/')[-3:])}:{frame.lineno} {frame.name}" for frame in frames],
    }
    if (cause := error.__cause__ or error.__context__) is not None:
        fault["cause"] = describe(cause)
    return fault


def format_exceptions(_logger: Any, _method: str, fields: MutableMapping[str, Any]) -> Any:
    """Put the traceback of `exc_info` into the field `exception`, and describe exceptions in other fields.

    A structlog processor, instead of its `format_exc_info`.
    """
    info = fields.pop("exc_info", None)
    if info is True:
        info = sys.exc_info()
    error = info if isinstance(info, BaseException) else info[1] if isinstance(info, tuple) else None
    if error is not None:
        fields["exception"] = "\n".join(_lines(error))
    for name, value in fields.items():
        if isinstance(value, BaseException):
            fields[name] = describe(value)
    return fields


class ExceptionText(logging.Filter):
    """Handler filter that describes the exceptions in the messages of libraries."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Replace exceptions among the arguments; pass every record."""
        if isinstance(record.msg, BaseException):
            record.msg, record.args = describe(record.msg), ()
        if isinstance(record.args, tuple):
            record.args = tuple(describe(a) if isinstance(a, BaseException) else a for a in record.args)
        if record.name == "asyncio" and isinstance(record.msg, str):
            # Its other lines are representations of tasks and callbacks, with their results and arguments.
            first, *others = record.getMessage().split("\n")
            record.msg, record.args = (_ARGUMENTS.sub("…", first) if others else first), ()
        return True


def _lines(error: BaseException, depth: int = 0) -> Iterator[str]:
    """Yield the lines of a traceback as Python prints them, causes first."""
    if depth == _MAX_CHAIN:
        return
    if error.__cause__ is not None:
        yield from _lines(error.__cause__, depth + 1)
        yield "The above exception was the direct cause of the following exception:"
    elif error.__context__ is not None and not error.__suppress_context__:
        yield from _lines(error.__context__, depth + 1)
        yield "During handling of the above exception, another exception occurred:"
    yield "Traceback (most recent call last):"
    for frame in traceback.format_tb(error.__traceback__, -_MAX_FRAMES):
        yield frame.rstrip("\n")
    yield describe(error)
    if isinstance(error, BaseExceptionGroup):
        for part in error.exceptions[:_MAX_CHAIN]:
            yield from _lines(part, depth + 1)
