"""Every setting is used, and docs/settings.md describes it."""

import ast
import functools
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel, SecretStr, ValidationError

from service.settings import KafkaSettings, Settings
from tests.support.paths import ROOT

ROW = re.compile(r"^\| `(TOCSIN_\w+)` \|.*\| (?:`(.*?)`|none)[^|`]*\|$", re.MULTILINE)
READ_AS = {
    "mail": {"mail", "settings"},
    "smtp": {"smtp", "one"},
    "bounces": {"_settings"},
    "brand": {"brand", "fields"},
    "console": {"console", "own", "_settings"},
}
"""Names under which a section is read, where they differ from its own."""

Place = tuple[str, ...]


def leaves(model: type[BaseModel], above: Place = ()) -> Iterator[tuple[Place, Any]]:
    """Yield each setting with its default."""
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from leaves(field.annotation, (*above, name))
        else:
            yield (*above, name), field.get_default(call_default_factory=True)


SETTINGS = dict(leaves(Settings))


def variable(place: Place) -> str:
    return "TOCSIN_" + "__".join(place).upper()


def shown(default: Any) -> str:
    """Return a default as the variable would hold it; empty if there is none."""
    if isinstance(default, SecretStr):
        default = default.get_secret_value()
    if default is None or isinstance(default, str):
        return default or ""
    return json.dumps(default)


def test_each_is_documented_with_its_default() -> None:
    """docs/settings.md lists exactly these settings; `none` is an empty default."""
    rows = ROW.findall((ROOT / "docs" / "settings.md").read_text())

    assert dict(rows) == {variable(place): shown(default) for place, default in SETTINGS.items()}
    assert len(rows) == len(SETTINGS)


def test_no_document_names_another() -> None:
    """Every variable in a document, in the container files or in the code's messages exists."""
    known = {variable(place) for place in SETTINGS}
    known |= {name.rpartition("__")[0] + "__" for name in known} | {
        "TOCSIN_",
        "TOCSIN_SECRETS_DIR",
        "TOCSIN_PROFILE",
        "TOCSIN_KEY",  # of the programs of upstream services in the guides
    }
    files = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "docker-compose.yml", ROOT / "Dockerfile"]
    files += [file for file in (ROOT / "ops").rglob("*") if file.is_file() and file.suffix != ".json"]
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
    """Return the attributes that the code reads, each with its base name; and the strings in the API's code."""
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
    """A setting that no code reads has no effect."""
    attributes, texts = read()
    section = place[-2] if len(place) > 1 else "settings"
    if section == "limits":  # the API passes the name of the limit as a string
        assert place[-1] in texts
    else:
        bases = READ_AS.get(section, {section})
        assert any((base, place[-1]) in attributes for base in bases)


def test_one_of_three_brokers_does_not_acknowledge_alone() -> None:
    """With three replicas, two must have a record, unless another number is set; more than there are is refused."""
    assert KafkaSettings(replication=3).min_insync_replicas == 2
    assert KafkaSettings(replication=3, min_insync_replicas=1).min_insync_replicas == 1
    assert KafkaSettings(replication=2).min_insync_replicas is None
    with pytest.raises(ValidationError, match="no write would be accepted"):
        KafkaSettings(replication=3, min_insync_replicas=4)
