"""What the servers of the embedded stack share: each starts in its own way, and all end alike."""

from abc import ABC, abstractmethod
from types import TracebackType
from typing import ClassVar, Self

from service.dev.process import ServerProcess


class EmbeddedServer(ABC):
    """A server as a child process; `with` starts and stops it. `GRACE_S`: seconds it has to end in peace."""

    GRACE_S: ClassVar[float]
    _server: ServerProcess

    @abstractmethod
    def start(self) -> None:
        """Return when it answers; nothing to do when it runs. DevStackError says in one line why it cannot run."""

    @property
    def pid(self) -> int | None:
        """Process id while it runs, else None."""
        return self._server.pid

    def stop(self) -> None:
        """End it, with everything on disk; killed after its grace; harmless when it does not run."""
        self._server.stop(self.GRACE_S)

    def kill(self) -> None:
        """SIGKILL; `start()` afterwards finds the data again."""
        self._server.kill()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
