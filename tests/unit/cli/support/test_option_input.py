"""What an option is given, in each of its three ways."""

import io
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from service.cli.support.option_input import bytes_of
from service.cli.support.output import CliError


def test_text_file_and_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bytes are those that stand there, also where they are no text."""
    file = tmp_path / "event.json"
    file.write_bytes(b'{"a": "\xff"}')
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"piped")))

    assert bytes_of("--data", '{"a": "ü"}') == '{"a": "ü"}'.encode()
    assert bytes_of("--data", f"@{file}") == b'{"a": "\xff"}'
    assert bytes_of("--data", "-") == b"piped"


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """One line that names the option and the file."""
    with pytest.raises(CliError, match=r"^--event: .*none\.json cannot be read: No such file"):
        bytes_of("--event", f"@{tmp_path / 'none.json'}")
