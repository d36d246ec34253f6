"""The packages that `tocsin dev` installs for itself: complete or absent, once, one line for each error (ADR 21)."""

import importlib
import re
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from service.dev import packages
from service.dev.errors import DevStackError
from service.dev.packages import provide_packages
from tests.support.paths import ROOT

MODULE = "tocsin_test_server"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Yield an empty cache, for one package that a folder has instead of an index."""
    wheel = tmp_path / f"{MODULE}-1.0-py3-none-any.whl"
    info = f"{MODULE}-1.0.dist-info"
    with zipfile.ZipFile(wheel, "w") as file:
        file.writestr(f"{MODULE}.py", "ANSWER = 42\n")
        file.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {MODULE}\nVersion: 1.0\n")
        file.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr(f"{info}/RECORD", "")
    lock = tmp_path / "embedded.lock"
    lock.write_text(f"{MODULE}==1.0 --hash=sha256:{sha256(wheel.read_bytes()).hexdigest()}\n")
    monkeypatch.setattr(packages, "_MODULES", (MODULE,))
    monkeypatch.setattr(packages, "_LOCK_FILE", lock)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    yield tmp_path / "cache"
    sys.modules.pop(MODULE, None)


def test_packages_are_installed_once(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next process of this user finds them; this environment is not changed."""
    lines: list[str] = []

    provide_packages(lines.append, cache)

    assert importlib.import_module(MODULE).ANSWER == 42
    assert "first time only" in lines[0]
    assert lines[1].startswith(f"installing {MODULE}")
    sys.modules.pop(MODULE)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if str(cache) not in entry])
    importlib.invalidate_caches()
    provide_packages(pytest.fail, cache)
    assert importlib.import_module(MODULE).ANSWER == 42


def test_a_package_with_another_hash_is_refused(cache: Path) -> None:
    """Nothing of it is left, and the error is one line that has the remedy."""
    packages._LOCK_FILE.write_text(f"{MODULE}==1.0 --hash=sha256:{'0' * 64}\n")

    with pytest.raises(DevStackError, match=r"pip install 'tocsin\[embedded\]'") as caught:
        provide_packages(lambda _: None, cache)

    assert "\n" not in str(caught.value)
    assert [entry.name for entry in cache.iterdir() if entry.is_dir()] in ([], ["staging"])


def test_an_environment_without_pip_names_the_command(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Environments of some tools have none."""
    monkeypatch.setattr(packages, "find_spec", lambda name: None)

    with pytest.raises(
        DevStackError, match=r"has no pip; install them with: pip install 'tocsin\[embedded\]'"
    ):
        provide_packages(pytest.fail, cache)


def test_a_cache_that_is_not_writable_names_the_command(cache: Path) -> None:
    """Also its folder."""
    cache.write_text("a file")

    with pytest.raises(DevStackError, match=r"cache is not writable .*; install them with: pip install"):
        provide_packages(lambda _: None, cache)


def test_nothing_is_installed_beside_the_extra(tmp_path: Path) -> None:
    """This environment has it."""
    provide_packages(pytest.fail, tmp_path / "none")

    assert not (tmp_path / "none").exists()


def test_the_lock_file_has_the_extra_with_hashes() -> None:
    """`make lock` writes it, with the versions of requirements-dev.lock, and without an address (ADR 2)."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extra = [re.split(r"[>=]", one)[0] for one in project["optional-dependencies"]["embedded"]]
    text = packages._LOCK_FILE.read_text()
    pins = set(re.findall(r"^([\w.-]+==[\w.]+)", text, re.MULTILINE))

    assert set(extra) <= {pin.partition("==")[0] for pin in pins}
    assert pins <= set(
        re.findall(r"^([\w.-]+==[\w.]+)", (ROOT / "requirements-dev.lock").read_text(), re.MULTILINE)
    )
    assert text.count("--hash=sha256:") >= len(pins)
    assert "://" not in text
