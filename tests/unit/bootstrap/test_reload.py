"""Reload: checked wholly, taken into use in one step; a batch sees one version, and a fault changes nothing."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import structlog

from service.bootstrap.contents import load_contents
from service.bootstrap.parts import Parts, bootstrap
from service.bootstrap.reload import CurrentParts, Reloader
from service.model.record import Done, Handler, Record
from service.observability.metrics import CATALOGUE_VERSION, RELOADS
from service.settings import Settings, TemplateSettings
from tests.support.rendering import NOTE, template_directory
from tests.support.wait import eventually

_TABLE = """
[{name}]
title = "A note"
description = "A note"
audience = [{{ kind = "users" }}]
channels = ["email", "inbox"]
sample = {{ recipients = ["alice"], data = {{ title = "Hello", body = "World" }} }}
retention = {days}_00_000
[{name}.meta]
title = {{}}
body = {{}}
"""


def _add_type(directory: Path, name: str, days: int = 10) -> None:
    (directory / name).mkdir(exist_ok=True)
    (directory / name / "en.j2").write_text(NOTE, "utf-8")
    (directory / "catalogue").mkdir(exist_ok=True)
    (directory / "catalogue" / f"{name}.toml").write_text(_TABLE.format(name=name, days=days), "utf-8")


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A folder with the real layout and one type."""
    directory = template_directory(tmp_path, {"note/en": NOTE})
    _add_type(directory, "note")
    return directory


def _settings(directory: Path, reload_s: float = 0.0) -> Settings:
    return Settings(templates=TemplateSettings(directory=directory, reload_s=reload_s))


@asynccontextmanager
async def _running(
    directory: Path, reload_s: float = 0.0, *, renders: bool = True
) -> AsyncIterator[tuple[CurrentParts, Reloader]]:
    current = CurrentParts(bootstrap(_settings(directory, reload_s)))
    reloader = Reloader(current, renders=renders)
    task = asyncio.create_task(reloader.run())
    try:
        yield current, reloader
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _types(current: CurrentParts) -> list[str]:
    return [type_.name for type_ in current.parts.catalogue]


async def test_a_batch_has_one_version_from_its_begin_to_its_end(directory: Path) -> None:
    """One that began before a reload ends with what it began with, beside one that began after it."""

    def make(parts: Parts) -> Handler:
        async def handler(records: Sequence[Record]) -> AsyncIterator[Done]:
            for record in records:
                await asyncio.sleep(0)
                yield Done([record._replace(topic=",".join(type_.name for type_ in parts.catalogue))])

        return handler

    settings = _settings(directory)
    current = CurrentParts(bootstrap(settings))
    handler = current.handler(make)
    records = [Record("t", 0, n, 0, None, b"") for n in range(3)]
    before = handler(records)
    seen = [(await anext(before)).records[0].topic]

    _add_type(directory, "parcel")
    current.use(load_contents(settings))
    after = handler(records)

    seen += [done.records[0].topic async for done in before]
    assert seen == ["note"] * 3
    assert [done.records[0].topic async for done in after] == ["note,parcel"] * 3


async def test_changed_files_are_noticed(directory: Path) -> None:
    """A new type, and a text that is changed; the metrics have the version in use."""
    async with _running(directory, 0.02) as (current, _):
        first = current.parts.contents.fingerprint
        _add_type(directory, "parcel", days=90)
        await eventually(lambda: "parcel" in _types(current), 20)

        assert current.parts.contents.fingerprint != first
        assert current.parts.renderer.library.catalogue is current.parts.catalogue
        assert current.parts.ledger._index_limits[1] > 90 * 100_000
        (sample,) = next(iter(CATALOGUE_VERSION.collect())).samples
        assert sample.labels == {"fingerprint": current.parts.contents.fingerprint}


@pytest.mark.parametrize(
    ("file", "text", "reason"),
    [
        ("catalogue/note.toml", "[note]\nttl = 0", "catalogue/note.toml:1: note: title: Field required"),
        (
            "note/en.j2",
            NOTE.replace("data.body", "data.nothing"),
            "note/en.j2: line 4: data.nothing is not a",
        ),
        ("layout/text.j2", "{% if %}", "layout/text.j2: line 1: "),
    ],
)
async def test_a_fault_changes_nothing(directory: Path, file: str, text: str, reason: str) -> None:
    """The version in use stays, the log says why, and the next version without a fault is taken into use."""
    good = (directory / file).read_text("utf-8")
    with structlog.testing.capture_logs() as lines:
        async with _running(directory, 0.02) as (current, _):
            before, failed = current.parts, RELOADS.value("failed")
            (directory / file).write_text(text, "utf-8")
            await eventually(lambda: RELOADS.value("failed") > failed, 20)
            assert current.parts is before

            (directory / file).write_text(good, "utf-8")
            _add_type(directory, "parcel")
            await eventually(lambda: _types(current) == ["note", "parcel"], 20)
    faults = [line["error"] for line in lines if line["event"] == "catalogue_reload_failed"]
    assert faults
    assert all(reason in fault for fault in faults)


async def test_without_looks_only_a_request_reloads(directory: Path) -> None:
    """A request where nothing has changed says so."""
    async with _running(directory) as (current, reloader):
        unchanged = RELOADS.value("unchanged")
        before = current.parts
        reloader.request()
        await eventually(lambda: RELOADS.value("unchanged") > unchanged, 20)
        assert current.parts is before

        _add_type(directory, "parcel")
        assert _types(current) == ["note"]
        reloader.request()
        await eventually(lambda: _types(current) == ["note", "parcel"], 20)


async def test_a_process_that_renders_nothing_checks_the_catalogue_only(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It makes no renderer, whose libraries it would import; a fault of a template concerns others."""
    monkeypatch.setattr("service.adapters.templates.TemplateRenderer", None)
    async with _running(directory, 0.02, renders=False) as (current, _):
        (directory / "note" / "en.j2").write_text("{% if %}", "utf-8")
        _add_type(directory, "parcel")
        await eventually(lambda: _types(current) == ["note", "parcel"], 20)

        before, failed = current.parts, RELOADS.value("failed")
        (directory / "catalogue" / "note.toml").write_text("[note]\nttl = 0", "utf-8")
        await eventually(lambda: RELOADS.value("failed") > failed, 20)
        assert current.parts is before
