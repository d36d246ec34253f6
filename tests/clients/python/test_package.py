"""The package stands on its own: what it imports, and what of it needs an extra."""

import ast
import sys

from tests.support.paths import ROOT

FOLDER = ROOT / "clients" / "python" / "tocsin_client"
EXTRAS = {"aiokafka": {"kafka.py"}, "httpx": {"http.py"}}


def imported() -> dict[str, set[str]]:
    """Return the packages beyond the standard library that are imported, with the files that do."""
    users: dict[str, set[str]] = {}
    for file in FOLDER.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            match node:
                case ast.ImportFrom(module=str(module)):
                    names = [module]
                case ast.Import(names=aliases):
                    names = [alias.name for alias in aliases]
                case _:
                    continue
            for name in names:
                users.setdefault(name.partition(".")[0], set()).add(file.name)
    return {name: files for name, files in users.items() if name not in sys.stdlib_module_names}


def test_it_imports_what_it_declares() -> None:
    """The official SDK everywhere, a client library in one file each, and nothing of the service."""
    users = imported()

    assert users.keys() == {"tocsin_client", "cloudevents", *EXTRAS}
    assert {name: users[name] for name in EXTRAS} == EXTRAS


def test_it_is_typed() -> None:
    """PEP 561."""
    assert (FOLDER / "py.typed").exists()
