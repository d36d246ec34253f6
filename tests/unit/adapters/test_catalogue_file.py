"""Loading the catalogue: what is accepted, and the one line that says what is not."""

from pathlib import Path

import pytest

from service.adapters.catalogue_file import CatalogueError, load_catalogue
from service.model.catalogue import Catalogue
from service.model.channels import Channel

_OVERBID = """
[overbid]
number = 6
title = "New high bidder"
description = "New high bidder"
audience = [{ kind = "users" }]
channels = ["email", "inbox"]
meta = { lot_id = {} }
sample = { recipients = ["alice"], data = { lot_id = "1" } }
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with a catalogue of one type and its template."""
    _write(tmp_path, _OVERBID)
    _template(tmp_path, "overbid")
    return tmp_path


def _write(place: Path, text: str, name: str = "auction") -> None:
    file = place / "catalogue" / f"{name}.toml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(text, "utf-8")


def _template(place: Path, name: str, locale: str = "en") -> None:
    (place / name).mkdir(exist_ok=True)
    (place / name / f"{locale}.j2").write_text("", "utf-8")


def _refusal(place: Path, mandatory: tuple[str, ...] = (), locale: str = "en") -> str:
    with pytest.raises(CatalogueError) as caught:
        load_catalogue(place, mandatory, locale)
    said = str(caught.value)

    assert "\n" not in said
    assert said.isprintable()

    return said


def test_a_row_becomes_a_type_of_its_files_domain(place: Path) -> None:
    """The table's name is the type's, the file's name is its domain, and what is left out has its default."""
    catalogue = load_catalogue(place)

    assert isinstance(catalogue, Catalogue)
    assert [row.name for row in catalogue] == ["overbid"]
    row = catalogue["overbid"]
    assert (row.domain, row.number, row.mandatory) == ("auction", 6, False)
    assert row.channels == (Channel.email, Channel.inbox)


def test_settings_make_a_type_mandatory(place: Path) -> None:
    """A name in `mandatory` makes that type mandatory, and no other."""
    _write(place, _OVERBID.replace("overbid", "winner").replace("number = 6", "number = 7"), "other")
    _template(place, "winner")

    catalogue = load_catalogue(place, ["winner"])

    assert {row.name: row.mandatory for row in catalogue} == {"overbid": False, "winner": True}


def test_an_unknown_mandatory_name_is_refused(place: Path) -> None:
    """A misspelt mandatory name would leave a type optional in silence, so it stops the start."""
    said = _refusal(place, ("overbit",))

    assert said == "settings: mandatory: overbit is no type of the catalogue"


@pytest.mark.parametrize(
    ("was", "now", "expected"),
    [
        ("number = 6", "number = ", "catalogue/auction.toml: not TOML: "),
        ("[overbid]", _OVERBID + "[overbid]", "('overbid',) twice"),
        ("number = 6", 'colour = "red"', "catalogue/auction.toml: overbid: colour: unknown field"),
        ("lot_id = {}", "lot_id = { size = 3 }", "overbid: meta.lot_id.size: unknown field"),
        ("number = 6", 'lane = "fast"', "overbid: lane: Input should be 'high', 'normal' or 'bulk'"),
        ("number = 6", "ttl = 0", "overbid: ttl: "),
        ("number = 6", 'name = "x"', "overbid: name: "),
        ('title = "New high bidder"', "", "overbid: title: Field required"),
        ('"email", "inbox"', '"pigeon"', "overbid: channels.0: "),
        ("[overbid]", '["New\\nbid"]', "catalogue/auction.toml: New bid: name: "),
        ("[overbid]", "overbid = 1\n[winner]", "overbid: a type is a table, [overbid]"),
        ('kind = "users"', 'kind = "role"', "overbid: audience.0.role: "),
        ('kind = "users"', 'kind = "users", role = "admin"', "overbid: audience.0.role: "),
        ('kind = "users"', 'kind = "group", field = "lot_id"', "overbid: audience.0.field: "),
        ('kind = "users"', 'kind = "users", field = "who"', "overbid: audience.0.field: who is not in meta"),
        ("number = 6", 'actor_field = "who"', "overbid: actor_field: who is not in meta"),
        ("number = 6", 'supersede = "{lot}"', "overbid: supersede: {lot} is not in meta"),
        ("number = 6", 'supersede = "{lot_id"', "overbid: supersede: "),
        ('lot_id = "1"', "lot_id = 1", "overbid: sample: lot_id: "),
    ],
)
def test_a_faulty_file_is_one_line(place: Path, was: str, now: str, expected: str) -> None:
    """Every fault is one line that names the file, the type and the field."""
    assert _OVERBID.count(was) >= 1
    _write(place, _OVERBID.replace(was, now, 1))

    said = _refusal(place)

    assert said.startswith("catalogue/auction.toml: ")
    assert expected in said


def test_a_file_that_is_not_utf8_is_one_line(place: Path) -> None:
    """TOML is UTF-8; other bytes are refused with the file's name."""
    (place / "catalogue" / "auction.toml").write_bytes(b"\xff\xfe[overbid]")

    assert _refusal(place).startswith("catalogue/auction.toml: cannot be read: ")


def test_a_name_in_two_files_is_refused(place: Path) -> None:
    """A type has one row; both files are named."""
    _write(place, _OVERBID.replace("number = 6", "number = 7"), "other")

    assert (
        _refusal(place) == "catalogue/other.toml: overbid: name: already declared in catalogue/auction.toml"
    )


def test_a_number_given_twice_is_refused(place: Path) -> None:
    """Inbox clients know types by number, so a number belongs to one type."""
    _write(place, _OVERBID + _OVERBID.replace("overbid", "winner"))
    _template(place, "winner")

    assert _refusal(place) == "catalogue/auction.toml: winner: number: 6 is already that of overbid"


def test_a_type_without_a_template_in_the_default_locale_is_refused(place: Path) -> None:
    """Every fallback chain ends at the default locale, so that template must be there."""
    said = _refusal(place, locale="de")

    assert said.startswith("catalogue/auction.toml: overbid: no template overbid/de.j2")

    _template(place, "overbid", "de")

    assert "overbid" in load_catalogue(place, locale="de")


def test_a_folder_without_a_catalogue_is_refused(tmp_path: Path) -> None:
    """An empty catalogue would make every event unknown, so it stops the start."""
    assert _refusal(tmp_path).startswith("no catalogue: ")
