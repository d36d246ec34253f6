"""Input of an option: text, a file, standard input."""

import io
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from service.cli.support.option_input import read_input
from service.cli.support.output import CliError


def test_text_file_and_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bytes are returned unchanged, also where they are not text."""
    file = tmp_path / "event.json"
    file.write_bytes(b'{"a": "\xff"}')
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"piped")))

    assert read_input("--data", '{"a": "ü"}') == '{"a": "ü"}'.encode()
    assert read_input("--data", f"@{file}") == b'{"a": "\xff"}'
    assert read_input("--data", "-") == b"piped"


def test_a_file_that_does_not_exist(tmp_path: Path) -> None:
    """One line that names the option and the file."""
    with pytest.raises(CliError, match=r"^--event: .*none\.json cannot be read: No such file"):
        read_input("--event", f"@{tmp_path / 'none.json'}")
