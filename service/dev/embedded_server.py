"""The base class of the embedded stack's servers: each starts in its own way, and all stop alike."""

from abc import ABC, abstractmethod
from types import TracebackType
from typing import ClassVar, Self

from service.dev.process import ServerProcess


class EmbeddedServer(ABC):
    """A server as a child process; `with` starts and stops it.

    `GRACE_S` is the number of seconds between SIGTERM and SIGKILL.
    """

    GRACE_S: ClassVar[float]
    _server: ServerProcess

    @abstractmethod
    def start(self) -> None:
        """Start the server and return when it answers. Raise DevStackError when it cannot run."""

    @property
    def pid(self) -> int | None:
        """Return the process id while the server runs, else None."""
        return self._server.pid

    def stop(self) -> None:
        """Stop the server with its data on disk; kill it after `GRACE_S` seconds. Do nothing when it does not run."""
        self._server.stop(self.GRACE_S)

    def kill(self) -> None:
        """Send SIGKILL; a later `start()` continues with the same data."""
        self._server.kill()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
