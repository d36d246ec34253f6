"""Typed events in Java: the shipped files are the generator's. `tests/interop` compiles and runs them."""

import pytest

from service.cli.develop.sdk import describe, java
from tests.interop.java_client import CATALOGUE, CLIENT

SOURCES = CLIENT / "src" / "main" / "java"
SHIPPED = SOURCES / "io" / "tocsin" / "client" / "types"


def test_the_shipped_types_are_current() -> None:
    """`make docs` writes them, of the shipped catalogue; none is left of a type that is gone."""
    shipped = {str(file.relative_to(SOURCES)): file.read_text() for file in SHIPPED.glob("*.java")}
    assert shipped == java.generate(describe(CATALOGUE)), "not current: make docs"


def test_a_package_has_a_name() -> None:
    """It is the folder of the files too."""
    files = java.generate(describe([CATALOGUE["overbid"]]), "com.example.events")
    assert list(files) == ["com/example/events/Overbid.java"]
    assert "package com.example.events;" in files["com/example/events/Overbid.java"]
    with pytest.raises(ValueError, match="no package"):
        java.generate([], "com/example")
