"""The source that the architecture tests read: files by kind, parsed once."""

import ast
import subprocess
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from tests.support.paths import ROOT


@cache
def tracked() -> tuple[str, ...]:
    """Return the files of the checkout: tracked ones, and new ones that are not ignored."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return tuple(sorted(name for name in set(names) if (ROOT / name).is_file()))


@cache
def text_of(name: str) -> str:
    """Return the text of a file."""
    return (ROOT / name).read_text(encoding="utf-8", errors="replace")


@cache
def product() -> Mapping[str, ast.Module]:
    """Return the Python files of the product, parsed, by name."""
    names = (name for name in tracked() if name.startswith(("service/", "streams/")) and name.endswith(".py"))
    return {name: ast.parse(text_of(name)) for name in names}


def functions() -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Yield every function and method of the product with its file."""
    for name, tree in product().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield name, node


def module_of(name: str) -> str:
    """Return the module name of a file."""
    return ".".join(Path(name).with_suffix("").parts).removesuffix(".__init__")
