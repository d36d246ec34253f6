"""Loading the catalogue: the accepted files, and the line that names the fault of any other."""

import re
from pathlib import Path

import pytest

from service.adapters.catalogue_file import (
    CatalogueError,
    catalogue_faults,
    load_catalogue,
    read_catalogue,
)
from service.adapters.template_files import TemplateFiles
from service.model.catalogue import Catalogue
from service.model.channels import Channel
from tests.support.cost_growth import assert_linear

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
def folder(tmp_path: Path) -> Path:
    """A folder with a catalogue of one type and its template."""
    _write(tmp_path, _OVERBID)
    _template(tmp_path, "overbid")
    return tmp_path


def _write(folder: Path, text: str, name: str = "auction") -> None:
    file = folder / "catalogue" / f"{name}.toml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(text, "utf-8")


def _template(folder: Path, name: str, locale: str = "en") -> None:
    (folder / name).mkdir(exist_ok=True)
    (folder / name / f"{locale}.j2").write_text("", "utf-8")


def _load_error(folder: Path, mandatory: tuple[str, ...] = (), locale: str = "en") -> str:
    with pytest.raises(CatalogueError) as raised:
        load_catalogue(folder, mandatory, locale)
    error = str(raised.value).replace(f"{folder}/", "")

    assert "\n" not in error
    assert error.isprintable()

    return error


def test_a_table_becomes_a_type_of_its_files_domain(folder: Path) -> None:
    """A table's name is the type's, the file's name is its domain, and an absent field has its default."""
    catalogue = load_catalogue(folder)

    assert isinstance(catalogue, Catalogue)
    assert [type_.name for type_ in catalogue] == ["overbid"]
    type_ = catalogue["overbid"]
    assert (type_.domain, type_.number, type_.mandatory) == ("auction", 6, False)
    assert type_.channels == (Channel.email, Channel.inbox)


def test_settings_make_a_type_mandatory(folder: Path) -> None:
    """A name in `mandatory` makes that type mandatory, and no other."""
    _write(folder, _OVERBID.replace("overbid", "winner").replace("number = 6", "number = 7"), "other")
    _template(folder, "winner")

    catalogue = load_catalogue(folder, ["winner"])

    assert {type_.name: type_.mandatory for type_ in catalogue} == {"overbid": False, "winner": True}


def test_nothing_holds_mail_of_a_type_that_settings_make_mandatory(folder: Path) -> None:
    """The rules of its table that hold mail are left out; in the table of a mandatory type they are a fault."""
    held = _OVERBID.replace(
        "number = 6", 'number = 6\ndigest = { key = "{lot_id}" }\nlimit = { hour = 1 }\nmail_if_unread = 60'
    )
    _write(folder, held)
    type_ = load_catalogue(folder, ["overbid"])["overbid"]
    assert (type_.digest, type_.limit, type_.quiet_hours, type_.mail_if_unread_s) == (None, None, None, 0)

    _write(folder, held.replace("number = 6", "number = 6\nmandatory = true"))
    expected = "catalogue/auction.toml:5: overbid: digest: mail of a mandatory type is sent at once"
    assert _load_error(folder) == expected


def test_an_unknown_mandatory_name_is_refused(folder: Path) -> None:
    """A misspelt mandatory name would leave a type optional without notice, so it stops the start."""
    error = _load_error(folder, ("overbit",))

    assert error == "settings: mandatory: overbit is not a type of the catalogue"


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("number = 6", "number = ", "not TOML: "),
        ("[overbid]", _OVERBID + "[overbid]", "('overbid',) twice"),
        ("number = 6", 'colour = "red"', "catalogue/auction.toml:3: overbid: colour: unknown field"),
        ("lot_id = {}", "lot_id = { size = 3 }", "overbid: meta.lot_id.size: unknown field"),
        ("number = 6", 'lane = "fast"', "overbid: lane: Input should be 'high', 'normal' or 'bulk'"),
        ("number = 6", "ttl = 0", "overbid: ttl: "),
        ("number = 6", "ttl = 9_000_000_000_000_000", "overbid: ttl: "),
        ("number = 6", "retention = 9_000_000_000", "overbid: retention: "),
        ("number = 6", 'name = "x"', "overbid: name: "),
        ('title = "New high bidder"', "", "overbid: title: Field required"),
        ('"email", "inbox"', '"pigeon"', "overbid: channels.0: "),
        ("[overbid]", '["New\\nbid"]', "catalogue/auction.toml:2: New bid: name: "),
        ("[overbid]", "overbid = 1\n[winner]", "overbid: a type must be a table, [overbid]"),
        ('kind = "users"', 'kind = "role"', "overbid: audience.0.role: "),
        ('kind = "users"', 'kind = "users", role = "admin"', "overbid: audience.0.role: "),
        ('kind = "users"', 'kind = "group", field = "lot_id"', "overbid: audience.0.field: "),
        ('kind = "users"', 'kind = "users", field = "who"', "overbid: audience.0.field: who is not in meta"),
        ("number = 6", 'actor_field = "who"', "overbid: actor_field: who is not in meta"),
        ("number = 6", 'link = "lots/{lot}"', "overbid: link: {lot} is not a string or an integer in meta"),
        ("number = 6", 'link = "/lots"', "overbid: link: String should match pattern"),
        ("number = 6", 'link = "lots/../x"', "overbid: link: String should match pattern"),
        ("number = 6", 'supersede = "{lot}"', "overbid: supersede: {lot} is not in meta"),
        ("number = 6", 'supersede = "{lot_id"', "overbid: supersede: "),
        ('lot_id = "1"', "lot_id = 1", "overbid: sample: lot_id: "),
    ],
)
def test_a_faulty_file_is_one_line(folder: Path, before: str, after: str, expected: str) -> None:
    """Every fault is one line that names the file, the line, the type and the field."""
    assert _OVERBID.count(before) >= 1
    _write(folder, _OVERBID.replace(before, after, 1))

    error = _load_error(folder)

    assert re.match(r"catalogue/auction\.toml:\d+: ", error)
    assert expected in error


@pytest.mark.parametrize(
    ("before", "after", "line"),
    [
        ("number = 6", "# note\nnumber = 6\nttl = 0", 5),
        ('title = "New high bidder"', "", 2),  # what is missing: the line of the table
        ('[{ kind = "users" }]', '[\n  { kind = "users" },\n  { kind = "role" },\n]', 8),
        ("meta = { lot_id = {} }", "meta.lot_id.size = 3", 8),
        ('lot_id = "1"', "lot_id = 1", 9),
    ],
)
def test_a_fault_has_its_line(folder: Path, before: str, after: str, line: int) -> None:
    """The line of the key or of the element, else that of the table's header."""
    _write(folder, _OVERBID.replace(before, after, 1))

    assert _load_error(folder).startswith(f"catalogue/auction.toml:{line}: overbid: ")


def test_all_faults_are_listed(folder: Path) -> None:
    """One of each type and each file, in the order of the files."""
    _write(folder, _OVERBID.replace("number = 6", "ttl = 0") + _OVERBID.replace("overbid", "winner"))
    _write(folder, "broken = ", "other")

    faults = [fault.replace(f"{folder}/", "") for fault in catalogue_faults(TemplateFiles(folder))]

    assert [fault.split(": ")[:2] for fault in faults] == [
        ["catalogue/other.toml", "not TOML"],
        ["catalogue/auction.toml:3", "overbid"],
        ["catalogue/auction.toml:11", "winner"],
    ]


def test_a_file_that_is_not_utf8_is_one_line(folder: Path) -> None:
    """TOML is UTF-8; other bytes are refused with the file's name."""
    (folder / "catalogue" / "auction.toml").write_bytes(b"\xff\xfe[overbid]")

    assert _load_error(folder).startswith("catalogue/auction.toml: cannot be read: ")


def test_a_name_in_two_files_is_refused(folder: Path) -> None:
    """A type is declared once; the error names both files."""
    _write(folder, _OVERBID.replace("number = 6", "number = 7"), "other")

    assert (
        _load_error(folder)
        == "catalogue/other.toml:2: overbid: name: already declared in catalogue/auction.toml"
    )


def test_a_number_used_twice_is_refused(folder: Path) -> None:
    """Inbox clients know types by number, so a number belongs to one type."""
    _write(folder, _OVERBID + _OVERBID.replace("overbid", "winner"))
    _template(folder, "winner")

    assert _load_error(folder) == "catalogue/auction.toml:12: winner: number: 6 is already that of overbid"


def test_a_type_without_a_template_in_the_default_locale_is_refused(folder: Path) -> None:
    """Every fallback chain ends at the default locale, so that template must be there."""
    error = _load_error(folder, locale="de")

    assert error.startswith("catalogue/auction.toml:2: overbid: no template overbid/de.j2")

    _template(folder, "overbid", "de")

    assert "overbid" in load_catalogue(folder, locale="de")


def test_a_folder_without_a_catalogue_is_refused(tmp_path: Path) -> None:
    """An empty catalogue would make every event unknown, so it stops the start."""
    assert _load_error(tmp_path).startswith("no catalogue: ")


def test_a_catalogue_costs_as_much_as_it_is_long(tmp_path: Path) -> None:
    """Twice the types take twice the time; so do twice the fields of one type."""

    def with_types(count: int) -> Path:
        folder = tmp_path / f"types-{count}"
        folder.mkdir()
        tables = (
            _OVERBID.replace("[overbid]", f"[t{n}]").replace("number = 6\n", f"number = {n + 1000}\n")
            for n in range(count)
        )
        _write(folder, "".join(tables))
        for n in range(count):
            _template(folder, f"t{n}")
        return folder

    def with_fields(count: int) -> Path:
        folder = tmp_path / f"fields-{count}"
        folder.mkdir()
        fields = ", ".join(f"f{n} = {{ required = false }}" for n in range(count))
        _write(folder, _OVERBID.replace("meta = { lot_id = {} }", f"meta = {{ lot_id = {{}}, {fields} }}"))
        _template(folder, "overbid")
        return folder

    assert_linear(with_types, load_catalogue, size=20)
    assert_linear(with_fields, load_catalogue, size=100)


@pytest.fixture
def own(tmp_path: Path, folder: Path) -> Path:
    """A folder that is merged with that of `folder`."""
    own = tmp_path / "own"
    own.mkdir()
    return own


def _merged(own: Path, folder: Path) -> Catalogue:
    return read_catalogue(TemplateFiles(own, folder))


def test_an_own_table_adds_a_type(own: Path, folder: Path) -> None:
    """Its domain is the name of its file; the shipped types come first, as they are."""
    _write(own, _OVERBID.replace("overbid", "parcel").replace("number = 6\n", ""), "shop")
    _template(own, "parcel")

    merged = _merged(own, folder)

    assert [(type_.name, type_.domain) for type_ in merged] == [("overbid", "auction"), ("parcel", "shop")]


def test_an_own_table_overrides_the_fields_that_it_names(own: Path, folder: Path) -> None:
    """All others, the domain too, stay as shipped."""
    _write(own, '[overbid]\ntitle = "Outbid"\nmeta.lot_id = {}\nmeta.price = { required = false }\n', "shop")

    type_ = _merged(own, folder)["overbid"]

    assert (type_.title, type_.description) == ("Outbid", "New high bidder")
    assert (type_.domain, type_.number, [*type_.meta]) == ("auction", 6, ["lot_id", "price"])


@pytest.mark.parametrize(
    ("own_table", "place"),
    [
        ("[overbid]\n\nttl = 0", "own/catalogue/shop.toml:3"),
        ("[overbid]\ncolour = 1", "own/catalogue/shop.toml:2"),
        ("\n[parcel]", "own/catalogue/shop.toml:2"),
        ('[overbid]\nsupersede = "{lot_id}"\nmeta.lot = {}', "own/catalogue/shop.toml:2"),
    ],
)
def test_a_fault_of_a_merged_type_names_the_file_that_declares_the_field(
    own: Path, folder: Path, own_table: str, place: str
) -> None:
    """Own tables before the shipped ones."""
    _write(own, own_table, "shop")

    (fault,) = catalogue_faults(TemplateFiles(own, folder))

    assert fault.replace(f"{folder}/", "").startswith(f"{place}: ")
