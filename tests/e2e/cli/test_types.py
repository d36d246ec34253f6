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
    """Without a folder of one's own, the command says how to get one."""
    result = TOCSIN.run("types", "new", "fine")

    assert result.code == 1
    assert "tocsin templates export" in result.err
