"""A small file system that can be filled, so that a server meets a real full disk."""

import errno
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.chaos.scenario import Skipped

_BLOCK = bytes(65_536)


class SmallDisk:
    """A tmpfs on `folder` while the context lasts. Raise Skipped where this machine forbids to mount one."""

    def __init__(self, folder: Path, megabytes: int) -> None:
        self.folder = folder
        self._megabytes = megabytes
        self._balloon = folder / "balloon"

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        options = f"size={self._megabytes}m,mode=0700"
        command = ["mount", "-t", "tmpfs", "-o", options, "tocsin-chaos", str(self.folder)]
        try:
            subprocess.run(command, check=True, capture_output=True, text=True)
        except FileNotFoundError as error:
            raise Skipped("no mount program here") from error
        except subprocess.CalledProcessError as error:
            raise Skipped(f"a tmpfs cannot be mounted here: {error.stderr.strip()}") from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        subprocess.run(["umount", "--lazy", str(self.folder)], check=True, capture_output=True)

    def fill(self) -> None:
        """Fill the disk to its last byte."""
        with self._balloon.open("ab", buffering=0) as balloon:
            for block in (_BLOCK, b"\0"):
                try:
                    while True:
                        balloon.write(block)
                except OSError as full:
                    if full.errno != errno.ENOSPC:
                        raise

    def free(self) -> None:
        """Free the space that `fill` took."""
        self._balloon.unlink()
