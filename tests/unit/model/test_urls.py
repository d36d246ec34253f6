"""Links that are made of a path and an event's data."""

import pytest

from service.model.urls import link_fields, linked_url

SITE = "https://site.test/app"


@pytest.mark.parametrize(
    ("path", "url"),
    [
        ("watchlist", "/watchlist"),
        ("lots/{lot}", "/lots/7"),
        ("lots/{lot}/messages", "/lots/7/messages"),
        ("{lot}/{text}", "/7/a%20b%2F..%2F%3Fc%23d"),
        ("lots/{number}", "/lots/12"),
    ],
)
def test_a_path_with_all_its_values(path: str, url: str) -> None:
    """Values are percent-encoded, slashes too."""
    data = {"lot": "7", "text": "a b/../?c#d", "number": 12}

    assert linked_url(SITE, path, data) == SITE + url


@pytest.mark.parametrize("value", [None, "", ".", "..", "x" * 2001])
def test_a_path_ends_before_a_value_that_it_cannot_have(value: object) -> None:
    """The page above is shown instead."""
    assert linked_url(SITE, "lots/{lot}/messages", {"lot": value}) == f"{SITE}/lots"
    assert linked_url(SITE, "{lot}/messages", {}) == SITE


@pytest.mark.parametrize("text", ["\ud800", "\u202e", "é", "%2f", "\\", "javascript:alert(1)", "//evil.test"])
def test_hostile_values_stay_one_part(text: str) -> None:
    """No value leaves the site or adds a part."""
    url = linked_url(SITE, "lots/{lot}", {"lot": text})

    assert url.startswith(f"{SITE}/lots/")
    assert url.isascii()
    assert url.count("/") == SITE.count("/") + 2


def test_fields() -> None:
    """The fields of a path, in their order."""
    assert link_fields("lots/{lot_id}/{part}/end") == ("lot_id", "part")
