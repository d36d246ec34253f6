"""`tocsin` commands that start at once: forked from a process that has loaded every command.

A command started as its own process spends half a second and more on imports. Tests that run a hundred commands use
`CommandServer.client`, a program with the arguments, environment, folder and streams of `tocsin`.
"""

import ctypes
import json
import os
import select
import signal
import socket
import subprocess
import sys
import traceback
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from types import TracebackType
from typing import Self

import service
import streams
from service.cli import main as run_command
from service.dev.die_with_parent import PR_SET_PDEATHSIG
from tests.support.paths import ROOT
from tests.support.wait import until

_CLIENT = """#!{python} -IS
import array, json, os, signal, socket, sys
server = socket.socket(socket.AF_UNIX)
server.connect({address!r})
request = json.dumps([sys.argv[1:], dict(os.environ), os.getcwd()]).encode()
streams = array.array("i", [0, 1, 2]).tobytes()
server.sendmsg([len(request).to_bytes(4, "big")], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, streams)])
server.sendall(request)
answers = server.makefile("rb")
pid = int(answers.readline())
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda received, frame: os.kill(pid, received))
sys.exit(int(answers.readline() or 1))
"""

_SERVERS = frozenset({"api", "dev", "worker"})
"""Commands that choose their event loop before they import anything: each is a process of its own."""


class CommandServer:
    """A server of commands, as a context. `client`: the program to run, in the folder of the server."""

    def __init__(self, folder: Path) -> None:
        self.client = folder / "tocsin"
        self._address = str(folder / "commands.sock")

    def __enter__(self) -> Self:
        self.client.write_text(_CLIENT.format(python=sys.executable, address=self._address))
        self.client.chmod(0o755)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.command_server", self._address], cwd=ROOT
        )
        assert until(Path(self._address).exists, 60), "the server of commands did not start"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()


def main(address: str) -> None:
    """Load all code, then fork a command for each connection."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    for package in (service, streams):
        for module in walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__"):
                import_module(module.name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address + ".new")
        listener.listen()
        Path(address + ".new").rename(address)  # exists only once it can be connected to
        while True:
            connection, _ = listener.accept()
            with connection:
                if os.fork() == 0:
                    listener.close()
                    try:
                        _serve(connection)
                    finally:
                        os._exit(0)


def _serve(connection: socket.socket) -> None:
    """Run the command of one connection in a further process, and answer with its id and exit code."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    length, streams, _, _ = socket.recv_fds(connection, 4, 3)
    request = b""
    while len(request) < int.from_bytes(length, "big"):
        request += connection.recv(65_536)
    if (pid := os.fork()) == 0:
        connection.close()
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
        os.closerange(3, max(streams) + 1)
        _run(*json.loads(request))
    for stream in streams:
        os.close(stream)
    connection.sendall(b"%d\n" % pid)
    ended = os.pidfd_open(pid)
    if ended not in select.select([ended, connection], [], [])[0]:
        os.kill(pid, signal.SIGKILL)  # the client has been killed
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    with suppress(BrokenPipeError):
        connection.sendall(b"%d\n" % (code if code >= 0 else 128 - code))


def _run(arguments: list[str], environment: dict[str, str], folder: str) -> None:
    """Become the command: with its arguments, environment and folder, and with streams of its own."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    if not _SERVERS.isdisjoint(arguments[:1]):
        os.execv(sys.executable, [sys.executable, "-m", "service.cli", *arguments])
    sys.argv = ["tocsin", *arguments]
    sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w", buffering=1)  # noqa: SIM115
    signal.signal(signal.SIGINT, signal.default_int_handler)
    code = 1
    try:
        run_command()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        with suppress(BrokenPipeError):
            sys.stdout.flush()
        os._exit(code)


if __name__ == "__main__":
    main(sys.argv[1])
