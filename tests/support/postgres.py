"""A PostgreSQL server of a test run's own, if the machine has the program."""

import functools
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_USER = "postgres"


@functools.cache
def _programs() -> Path | None:
    """Return the folder of `initdb`; None where PostgreSQL is not installed."""
    initdb = shutil.which("initdb") or next(map(str, Path("/usr/lib/postgresql").glob("*/bin/initdb")), None)
    return Path(initdb).resolve().parent if initdb else None


def is_installed() -> bool:
    """Return whether a server can be started: PostgreSQL runs as any user but root."""
    return _programs() is not None and (os.getuid() != 0 or _account() is not None)


def _account() -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(_USER)
    except KeyError:
        return None


@contextmanager
def postgres(port: int | None = None) -> Iterator[str]:
    """Yield the connection string of an empty server, which listens on a socket in a folder of its own.

    With a port it also listens on 127.0.0.1, for clients that know no such sockets.
    """
    programs = _programs()
    assert programs is not None
    folder = Path(tempfile.mkdtemp(prefix="tocsin-postgres-"))
    account = _account() if os.getuid() == 0 else None
    if account is not None:
        os.chown(folder, account.pw_uid, account.pw_gid)
    data = folder / "data"
    network = f"-c listen_addresses=127.0.0.1 -p {port}" if port else "-c listen_addresses=''"

    def run(program: str, *arguments: str) -> None:
        subprocess.run(
            [programs / program, "-D", data, *arguments],
            user=account and account.pw_uid,
            group=account and account.pw_gid,
            cwd=folder,
            check=True,
            stdout=subprocess.DEVNULL,
        )

    try:
        run("initdb", "--auth=trust", f"--username={_USER}", "--no-sync")
        run(
            "pg_ctl",
            "start",
            "-w",
            "-o",
            f"-k {folder} {network} -c fsync=off",
            "-l",
            str(folder / "log"),
        )
        try:
            yield f"host={folder} user={_USER} dbname=postgres" + (f" port={port}" if port else "")
        finally:
            run("pg_ctl", "stop", "-m", "immediate")
    finally:
        shutil.rmtree(folder)
