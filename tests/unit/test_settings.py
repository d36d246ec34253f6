"""Every setting does something, and docs/settings.md says what."""

import ast
import functools
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel, SecretStr

from service.settings import Settings
from tests.support.paths import ROOT

ROW = re.compile(r"^\| `(TOCSIN_\w+)` \|.*\| (?:`(.*?)`|none)[^|`]*\|$", re.MULTILINE)
READ_AS = {"smtp": {"smtp", "one"}, "bounces": {"_settings"}}
"""What a section is called where it is read, other than by its own name."""

Place = tuple[str, ...]


def leaves(model: type[BaseModel], above: Place = ()) -> Iterator[tuple[Place, Any]]:
    """Each setting with its default."""
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from leaves(field.annotation, (*above, name))
        else:
            yield (*above, name), field.get_default(call_default_factory=True)


SETTINGS = dict(leaves(Settings))


def variable(place: Place) -> str:
    return "TOCSIN_" + "__".join(place).upper()


def shown(default: Any) -> str:
    """A default as the variable would hold it; empty where there is none."""
    if isinstance(default, SecretStr):
        default = default.get_secret_value()
    if default is None or isinstance(default, str):
        return default or ""
    return json.dumps(default)


def test_each_is_documented_with_its_default() -> None:
    """No more, no fewer, in docs/settings.md; `none` stands for nothing."""
    rows = ROW.findall((ROOT / "docs" / "settings.md").read_text())

    assert dict(rows) == {variable(place): shown(default) for place, default in SETTINGS.items()}
    assert len(rows) == len(SETTINGS)


def test_no_document_names_another() -> None:
    """A variable in a document, in the container files or in the code's messages is one that there is."""
    known = {variable(place) for place in SETTINGS}
    known |= {name.rpartition("__")[0] + "__" for name in known} | {"TOCSIN_", "TOCSIN_SECRETS_DIR"}
    files = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "docker-compose.yml", ROOT / "Dockerfile"]
    files += [file for folder in ("service", "streams") for file in (ROOT / folder).rglob("*.py")]

    unknown = {
        (file.name, name)
        for file in files
        for name in re.findall(r"\bTOCSIN_(?!TEST_|SIMULATION_|LOAD_)[A-Z_]*", file.read_text())
        if name not in known
    }

    assert unknown == set()


@functools.cache
def read() -> tuple[set[tuple[str, str]], set[str]]:
    """Attributes that the code reads, each with what it is read from; and the texts in the API's code."""
    attributes, texts = set(), set()
    for file in [*(ROOT / "service").rglob("*.py"), *(ROOT / "streams").rglob("*.py")]:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
                base = node.value
                name = getattr(base, "attr", getattr(base, "id", ""))
                attributes.add((name, node.attr))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and "api" in file.parts:
                texts.add(node.value)
    return attributes, texts


@pytest.mark.parametrize("place", SETTINGS, ids=variable)
def test_each_is_read(place: Place) -> None:
    """A setting that nobody reads would be a promise that is not kept."""
    attributes, texts = read()
    section = place[-2] if len(place) > 1 else "settings"
    if section == "limits":  # the door's own name chooses its limit
        assert place[-1] in texts
    else:
        bases = READ_AS.get(section, {section})
        assert any((base, place[-1]) in attributes for base in bases)
