"""One layout: modules are nouns, classes have one meaning, nothing is unused, and no import goes round in a circle."""

import ast
import re
from collections import defaultdict
from graphlib import TopologicalSorter

import pytest

from tests.architecture.source import functions, module_of, product, text_of, tracked
from tests.support.paths import ROOT

MAX_FUNCTION_LINES = 60
MAX_MODULE_LINES = 400
_GERUND_NOUNS = {"tracing", "seeding", "importing", "listing", "not_notified"}
_DURATIONS = re.compile(
    r"(^|_)(timeout|delay|interval|ttl|patience|pause|grace|drain|linger|backoff|cooldown|lease|elapsed|age)$"
)
_UNITS = re.compile(r"(?<!per)_(seconds?|secs?|millis|milliseconds?)$", re.IGNORECASE)
_ENTRY_POINTS = {
    "service.api.__main__",
    "service.model.__main__",
    "service.cli.__main__",
    "service.dev.die_with_parent",  # started by its path
    "service.dev.maven",  # imported by name, where the extra is installed
    "streams.topics.asyncapi",  # python -m
}


def test_modules_are_nouns() -> None:
    """A file is named after what it holds: no participle, no adjective."""
    stems = {name: module_of(name).rpartition(".")[2] for name in product()}
    hits = [n for n, stem in stems.items() if re.search(r"(ing|ed)$", stem) and stem not in _GERUND_NOUNS]
    assert not hits


def test_folders_have_few_entries() -> None:
    """A folder of the product is read at a glance."""
    entries: dict[str, set[str]] = defaultdict(set)
    for name in product():
        parts = name.split("/")
        for depth in range(1, len(parts)):
            entries["/".join(parts[:depth])].add(parts[depth])
    assert not {folder: len(found) for folder, found in entries.items() if len(found) > 30}
    for folder in ("streams", "service/pipeline", "service/adapters/redis"):
        assert len(entries[folder]) <= 15, folder


def test_class_names_are_unique() -> None:
    """One name, one meaning, in the whole product; `_Private` names too."""
    homes: dict[str, set[str]] = defaultdict(set)
    for name, tree in product().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                homes[node.name].add(name)
    assert not {name: sorted(files) for name, files in homes.items() if len(files) > 1}


def test_durations_have_a_unit() -> None:
    """`_s` or `_ms` comes last in the name of a parameter, an attribute or a constant; settings keep their names."""
    hits = []
    for name, tree in product().items():
        if name == "service/settings/__init__.py":
            continue
        for node in ast.walk(tree):
            match node:
                case ast.arg(arg=used, annotation=ast.Name(id="float" | "int")):
                    pass
                case ast.AnnAssign(target=ast.Name(id=used), annotation=ast.Name(id="float" | "int")):
                    pass
                case ast.Assign(targets=[ast.Name(id=used)], value=ast.Constant(value=float() | int())):
                    pass
                case _:
                    continue
            if _DURATIONS.search(used.lower()) or _UNITS.search(used):
                hits.append(f"{name}:{node.lineno}: {used}")
    assert not hits, "\n".join(hits)


def test_functions_and_modules_are_short() -> None:
    """A function fits on a screen; a module is one state machine at most."""
    long = [
        f"{name}:{node.lineno} {node.name}: {lines}"
        for name, node in functions()
        if (lines := (node.end_lineno or 0) - node.lineno + 1) > MAX_FUNCTION_LINES
    ]
    large = [name for name in product() if text_of(name).count("\n") > MAX_MODULE_LINES]
    assert not long
    assert not large


def _imports() -> dict[str, set[str]]:
    """Return for each module the modules of the product that it imports, also inside functions."""
    modules = {module_of(name): name for name in product()}
    graph: dict[str, set[str]] = {module: set() for module in modules}
    for module, name in modules.items():
        for node in ast.walk(product()[name]):
            match node:
                case ast.ImportFrom(module=str(source), names=aliases):
                    targets = {f"{source}.{alias.name}" for alias in aliases} & modules.keys()
                    graph[module] |= targets or ({source} & modules.keys())
                case ast.Import(names=aliases):
                    graph[module] |= {alias.name for alias in aliases} & modules.keys()
    return graph


def test_no_import_circle() -> None:
    """Type-checking imports and imports inside functions count too."""
    TopologicalSorter(_imports()).prepare()


def test_every_module_is_imported() -> None:
    """A module that nothing imports is dead, unless it is an entry point or a command, which is found by its name."""
    imported = set().union(*_imports().values())
    packages = {module_of(name) for name in product() if name.endswith("__init__.py")}
    commands = {
        module
        for module in map(module_of, product())
        if re.fullmatch(r"service\.cli(\.develop)?\.\w+", module)
    }
    assert not _imports().keys() - imported - packages - commands - _ENTRY_POINTS


def test_every_script_is_loaded() -> None:
    """A Lua script is called by its name, or prepended to another as a library."""
    scripts = {name for name in tracked() if name.endswith(".lua")}
    sources = "".join(text_of(name) for name in (*product(), *scripts))
    assert scripts
    stems = {name.rpartition("/")[2].removesuffix(".lua") for name in scripts}
    assert not {stem for stem in stems if not re.search(rf"\b{stem}\b(?!\.lua)", sources)}


@pytest.mark.parametrize(
    "name", [name for name in tracked() if name.endswith(".md") and not name.startswith("docs/adr/0002")]
)
def test_documents_name_what_exists(name: str) -> None:
    """A path between backticks or behind a link is in the checkout; lines are wrapped at 100 columns."""
    lines = text_of(name).splitlines()
    wide = [
        number
        for number, line in enumerate(lines, 1)
        if len(line) > 100 and not line.lstrip().startswith(("|", "$", ">")) and " " in line.strip()[60:]
    ]
    code = {n for n, line in enumerate(lines, 1) if _in_code_block(lines, n)}
    assert not [number for number in wide if number not in code]
    folder = (ROOT / name).parent
    paths = re.findall(
        r"`((?:service|streams|tests|docs|bench|ops|templates|\.ci)/[\w./-]*\w/?)`", text_of(name)
    )
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text_of(name))
    placeholder = re.compile(r"[A-Z]{3,}(?![\w.]*md)")  # service/cli/VERB.py
    assert not [path for path in paths if not (ROOT / path).exists() and not placeholder.search(path)]
    assert not [link for link in links if not (folder / link).exists()]


def _in_code_block(lines: list[str], number: int) -> bool:
    return sum(line.startswith("```") for line in lines[: number - 1]) % 2 == 1
