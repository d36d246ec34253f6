"""`tocsin`, which writes the names of all modules that it has imported to the file LOADED_MODULES, again and again.

Also at its end; but a signal may end the API before that.
"""

import atexit
import os
import sys
import threading
from pathlib import Path

from service.cli import main

_FILE = Path(os.environ["LOADED_MODULES"])


def _write() -> None:
    new = _FILE.with_suffix(".new")
    new.write_text("\n".join(list(sys.modules)))
    new.rename(_FILE)


def _keep_writing() -> None:
    while not _ended.wait(0.3):
        _write()


_ended = threading.Event()
_writer = threading.Thread(target=_keep_writing, daemon=True)


def _end() -> None:
    _ended.set()
    _writer.join()
    _write()


_writer.start()
atexit.register(_end)
sys.argv[0] = "tocsin"
main()
