"""Rows of an import file as recipients."""

from typing import Any

import pytest

from service.cli.importing.row_reader import Refusal
from service.cli.importing.row_validation import recipient_of
from service.cli.support.factories import load_catalogue
from service.model.catalogue import Catalogue
from service.model.holds.calendar import QuietWindow
from service.settings import Settings


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue(Settings())


def test_a_whole_row(catalogue: Catalogue) -> None:
    """Every field; preferences in both notations."""
    row = recipient_of(
        {
            "id": "alice",
            "address": "alice@example.com",
            "name": "Alice",
            "locale": "de-AT",
            "timezone": "Europe/Vienna",
            "roles": ["admin", "admin"],
            "preferences": {"overbid": {"email": "daily", "inbox": "off"}, "winner:inbox": True},
            "quiet_hours": [{"start": "22:00", "end": "07:00"}],
            "version": 7,
        },
        catalogue,
    )

    assert (row.id, row.address, row.locale, row.timezone) == (
        "alice",
        "alice@example.com",
        "de-AT",
        "Europe/Vienna",
    )
    assert row.roles == ("admin",)
    assert {name: (choice.on, choice.frequency) for name, choice in row.preferences.items()} == {
        "overbid:email": (True, "daily"),
        "overbid:inbox": (False, None),
        "winner:inbox": (True, None),
    }
    assert row.quiet_hours == (QuietWindow(start="22:00", end="07:00"),)
    assert row.version == 0


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", ""),
        ("id", None),
        ("id", 7),
        ("id", "x" * 129),
        ("id", " a"),
        ("id", "a\nb"),
        ("address", "a@example.com, b@example.com"),
        ("address", "Alice <a@example.com>"),
        ("address", "no-at-sign"),
        ("name", "a\r\nBcc: x"),
        ("locale", "klingon"),
        ("locale", "xx"),
        ("timezone", "Mars/Base"),
        ("timezone", "../../etc/passwd"),
        ("roles", "admin"),
        ("roles", ["a b"]),
        ("preferences", {"nope": {"email": True}}),
        ("preferences", {"overbid": {"pigeon": True}}),
        ("preferences", {"overbid": {"email": "yes"}}),
        ("preferences", {"overbid": {"inbox": "daily"}}),
        ("preferences", {"reset_password:email": "daily"}),
        ("quiet_hours", [{"start": "22:00"}]),
        ("quiet_hours", "22:00-07:00"),
        ("preferences", {"overbid": True}),
        ("preferences", [1]),
        ("adress", "a@example.com"),
    ],
)
def test_an_invalid_field_is_named_without_its_value(catalogue: Catalogue, field: str, value: Any) -> None:
    """The reason names the field to fix and holds no personal data."""
    with pytest.raises(Refusal) as refused:
        recipient_of({"id": "a", field: value}, catalogue)

    assert str(refused.value).startswith(field)
    assert "example" not in str(refused.value)
