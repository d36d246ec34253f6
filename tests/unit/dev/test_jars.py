"""The cache of the broker's jars: complete or absent, downloaded once, one line for each error."""

import threading
from pathlib import Path

import pytest

from service.dev import maven
from service.dev.errors import DevStackError
from service.dev.jars import VERSIONS, kafka_jars


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("JGO_CACHE_DIR", str(tmp_path))
    return tmp_path / "tocsin-kafka"


def one_jar(version: str, staging: Path) -> Path:
    jars = staging / "jars"
    jars.mkdir(parents=True)
    (jars / f"kafka-{version}.jar").write_bytes(b"jar")
    return jars


def ignore(line: str) -> None:
    pass


def test_second_call_does_not_download(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Jars that were downloaded once are used without the network."""
    monkeypatch.setattr(maven, "download", one_jar)
    first = kafka_jars(ignore)
    monkeypatch.setattr(maven, "download", lambda version, staging: pytest.fail("downloaded again"))

    assert kafka_jars(ignore) == first == cache / VERSIONS[0]


def test_interrupted_download_leaves_no_partial_folder(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After an interrupted download the next call starts over, and its folder is complete."""

    def interrupted(version: str, staging: Path) -> Path:
        (one_jar(version, staging) / "truncated.jar").write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(maven, "download", interrupted)
    with pytest.raises(KeyboardInterrupt):
        kafka_jars(ignore)
    monkeypatch.setattr(maven, "download", one_jar)

    assert [jar.name for jar in kafka_jars(ignore).iterdir()] == [f"kafka-{VERSIONS[0]}.jar"]


def test_concurrent_calls_download_once(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second of two first starts waits for the first, reports that, and uses the same folder."""
    downloading, waiting, downloaded = threading.Event(), threading.Event(), []

    def slow(version: str, staging: Path) -> Path:
        downloading.set()
        assert waiting.wait(10)
        downloaded.append(version)
        return one_jar(version, staging)

    def progress(line: str) -> None:
        if "waiting for another process" in line:
            waiting.set()

    monkeypatch.setattr(maven, "download", slow)
    results: list[Path] = []
    first = threading.Thread(target=lambda: results.append(kafka_jars(ignore)))
    first.start()
    assert downloading.wait(10)
    results.append(kafka_jars(progress))
    first.join(10)

    assert downloaded == [VERSIONS[0]]
    assert len(results) == 2
    assert len(set(results)) == 1


def test_missing_version_falls_back_to_the_next(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A version that the repository does not have is skipped."""

    def without_the_first(version: str, staging: Path) -> Path:
        if version == VERSIONS[0]:
            raise RuntimeError("not found")
        return one_jar(version, staging)

    monkeypatch.setattr(maven, "download", without_the_first)

    assert kafka_jars(ignore).name == VERSIONS[1]


def test_no_network_is_one_line_with_a_remedy(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a network the first start fails with that reason; the real resolver uses a dead proxy."""
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    with pytest.raises(DevStackError, match="connect to the network for this first start") as caught:
        kafka_jars(ignore)

    assert "\n" not in str(caught.value)


def test_unwritable_cache_is_one_line_with_a_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error for a cache folder that cannot be created names the folder and the setting that moves it."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("JGO_CACHE_DIR", str(tmp_path / "file"))
    with pytest.raises(DevStackError, match=r"cannot write to .*; set JGO_CACHE_DIR") as caught:
        kafka_jars(ignore)

    assert "\n" not in str(caught.value)
