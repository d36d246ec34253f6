"""`tocsin types` and `tocsin templates`: own types from the shipped ones, without a server."""

import shutil
import tomllib
from pathlib import Path

import pytest

from service.cli.develop.type_draft import TypeDraft
from service.model.catalogue import AudienceRule
from service.model.channels import Channel
from tests.e2e.cli.tocsin import Tocsin

TOCSIN = Tocsin("127.0.0.1:1", "redis://127.0.0.1:1")


@pytest.fixture(scope="module")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the shipped templates."""
    folder = tmp_path_factory.mktemp("own") / "templates"
    exported = TOCSIN.run("templates", "export", str(folder))
    assert exported.code == 0, exported.err
    return folder


def test_an_export_overwrites_nothing_unless_it_must(templates: Path) -> None:
    """--force does; nothing is written otherwise."""
    file = templates / "overbid" / "en.j2"
    shipped = file.read_text()
    file.write_text("mine")

    refused = TOCSIN.run("templates", "export", str(templates))
    assert (refused.code, file.read_text()) == (1, "mine")
    assert "would be overwritten" in refused.err
    assert TOCSIN.run("templates", "export", str(templates), "--force").code == 0
    assert file.read_text() == shipped


@pytest.mark.parametrize("audience", list(AudienceRule))
def test_a_new_type_passes_every_check(templates: Path, audience: AudienceRule) -> None:
    """Its table, its sample and its texts in every locale: it renders, `doctor` finds no fault, it can be published."""
    name = f"parcel_{audience}"
    own = {"TOCSIN_TEMPLATES__DIRECTORY": str(templates)}

    made = TOCSIN.run("types", "new", name, "--audience", audience, "--title", "Paket für Sie", **own)

    assert made.code == 0, made.err
    assert {Path(line).name for line in made.out.splitlines()} == {"own.toml", "de.j2", "en.j2"}
    assert "Left to do" in made.err
    assert tomllib.loads((templates / "catalogue" / "own.toml").read_text())[name]["title"] == "Paket für Sie"
    assert "Subject: Paket für Sie: A-1001" in TOCSIN.run("preview", name, "--locale", "de", **own).out
    shown = TOCSIN.run("types", "show", name, "--json", **own).documents[0]
    assert (shown["name"], shown["audience"][0]["kind"]) == (name, audience)
    assert name in {row["name"] for row in TOCSIN.run("types", "list", "--json", **own).documents}
    again = TOCSIN.run("types", "new", name, **own)
    assert (again.code, "already" in again.err) == (1, True)


def test_typed_events_of_own_types(templates: Path, tmp_path: Path) -> None:
    """A class for each type of the catalogue in use; a language that there is no client for is named."""
    folder = tmp_path / "templates"
    shutil.copytree(templates, folder)
    TypeDraft("parcel_lost", "Lost", AudienceRule.users, [Channel.inbox]).write(folder, "lost", ["de", "en"])
    own = {"TOCSIN_TEMPLATES__DIRECTORY": str(folder)}

    generated = TOCSIN.run("types", "generate", "python", "--output", str(tmp_path / "new"), **own)

    assert (generated.code, generated.out.strip()) == (0, str(tmp_path / "new" / "types.py")), generated.err
    text = (tmp_path / "new" / "types.py").read_text()
    assert "class ParcelLost(Event):" in text
    assert "class Overbid(Event):" in text
    refused = TOCSIN.run("types", "generate", "cobol", "--output", str(tmp_path))
    assert (refused.code, "must be one of python" in refused.err) == (2, True)


def test_typed_events_in_a_java_package(tmp_path: Path) -> None:
    """In folders of its name; other languages have no packages, and what is none is refused."""
    java = ("types", "generate", "java", "--output", str(tmp_path))

    generated = TOCSIN.run(*java, "--package", "com.example.events")

    file = tmp_path / "com" / "example" / "events" / "Overbid.java"
    assert (generated.code, str(file) in generated.out.splitlines()) == (0, True), generated.err
    assert "package com.example.events;" in file.read_text()
    refused = TOCSIN.run("types", "generate", "python", "--output", str(tmp_path), "--package", "a")
    assert (refused.code, "--package" in refused.err) == (2, True)
    refused = TOCSIN.run(*java, "--package", "com/example")
    assert (refused.code, "com/example is no package" in refused.err) == (1, True)


def test_the_templates_check_of_doctor_is_green(templates: Path) -> None:
    """With the new types among the shipped ones; Kafka and Redis are not there."""
    result = TOCSIN.run("doctor", "--json", TOCSIN_TEMPLATES__DIRECTORY=str(templates), timeout_s=120)

    by_check = {finding["check"]: finding["status"] for finding in result.documents}
    assert (by_check["catalogue"], by_check["templates"]) == ("ok", "ok")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("overbid",), 1, "already"),
        (("Bad-Name",), 2, "lower case"),
        (("../x",), 2, "lower case"),
        (("fine", "--domain", "../x"), 2, "lower case"),
        (("fine", "--title", "{{ 7 * 7 }}"), 2, "80 characters"),
        (("fine", "--title", "a\x1b[31m"), 2, "80 characters"),
    ],
)
def test_what_cannot_be_a_type_is_refused(
    templates: Path, arguments: tuple[str, ...], code: int, words: str
) -> None:
    """Nothing is written."""
    before = sorted(templates.rglob("*"))

    result = TOCSIN.run("types", "new", *arguments, TOCSIN_TEMPLATES__DIRECTORY=str(templates))

    assert (result.code, words in " ".join(result.err.split())) == (code, True), result.err
    assert sorted(templates.rglob("*")) == before


def test_the_shipped_templates_are_not_changed() -> None:
    """Without a folder of one's own, the command says how to have one."""
    result = TOCSIN.run("types", "new", "fine")

    assert result.code == 1
    assert "TOCSIN_TEMPLATES__SHIPPED=merged" in " ".join(result.err.split())


def test_a_merged_folder_has_own_files_only(tmp_path: Path) -> None:
    """A new type, and the layout to change it; both check and preview see them beside the shipped ones."""
    own = tmp_path / "own"
    merged = {"TOCSIN_TEMPLATES__DIRECTORY": str(own), "TOCSIN_TEMPLATES__SHIPPED": "merged"}
    made = TOCSIN.run("types", "new", "parcel", **merged)
    exported = TOCSIN.run("templates", "export", str(own), "--only", "layout")

    assert (made.code, exported.code) == (0, 0), made.err + exported.err
    files = {file.relative_to(own).as_posix() for file in own.rglob("*") if file.is_file()}
    assert files - {f"layout/{name}" for name in ("de.toml", "en.toml")} == {
        *("catalogue/own.toml", "parcel/de.j2", "parcel/en.j2"),
        *("layout/button.j2", "layout/html.j2", "layout/style.css", "layout/text.j2"),
    }
    (own / "layout" / "en.toml").write_text(
        (own / "layout" / "en.toml").read_text("utf-8").replace("Hello ", "Dear "), "utf-8"
    )
    assert "Dear Alice" in TOCSIN.run("preview", "overbid", **merged).out
    assert TOCSIN.run("types", "check", "--strict", **merged).code == 0


def test_the_check_prints_every_fault_and_gap(tmp_path: Path) -> None:
    """A gap is an error with --strict only; a fault has its file and line."""
    own = tmp_path / "own"
    merged = {"TOCSIN_TEMPLATES__DIRECTORY": str(own), "TOCSIN_TEMPLATES__SHIPPED": "merged"}
    assert TOCSIN.run("types", "new", "parcel", **merged).code == 0
    (own / "parcel" / "de.j2").unlink()

    gap = TOCSIN.run("types", "check", **merged)
    assert (gap.code, gap.out.strip()) == (
        0,
        f"warning: {own}/parcel/de.j2: parcel has no text in de: recipients get it in en",
    )
    assert TOCSIN.run("types", "check", "--strict", **merged).code == 1
    assert "no text in de" in TOCSIN.run("types", "show", "parcel", **merged).err

    (own / "parcel" / "en.j2").write_text("{% block subject %}", "utf-8")
    (own / "overbid").mkdir()
    (own / "overbid" / "de.j2").write_text("", "utf-8")
    faults = TOCSIN.run("types", "check", "--json", **merged)
    assert faults.code == 1
    assert [document["file"] for document in faults.documents] == [
        f"{own}/overbid/de.j2",
        f"{own}/parcel/en.j2",
    ]

    (own / "catalogue" / "own.toml").write_text("[parcel]\n\nttl = 0\n", "utf-8")
    broken = TOCSIN.run("types", "check", **merged)
    assert (broken.code, broken.out.startswith(f"error: {own}/catalogue/own.toml:1: parcel: title: ")) == (
        1,
        True,
    )


def test_only_what_is_shipped_is_exported(tmp_path: Path) -> None:
    """A name that is neither a type nor a part is refused."""
    result = TOCSIN.run("templates", "export", str(tmp_path), "--only", "catalogue")

    assert (result.code, list(tmp_path.iterdir())) == (1, [])
