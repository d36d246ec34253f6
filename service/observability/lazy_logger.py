"""A logger that imports structlog at its first line: a command that reads and logs nothing starts faster."""

from typing import Any


class LazyLogger:
    """structlog's logger of this name."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, method: str) -> Any:
        """Return a method of the logger, such as `warning`."""
        import structlog  # noqa: PLC0415

        return getattr(structlog.get_logger(self._name), method)
