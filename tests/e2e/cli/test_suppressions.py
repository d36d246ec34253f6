"""`tocsin suppressions`: stopped, listed, allowed again, and it is known who did it."""

import json
from itertools import product

from tests.e2e.cli.tocsin import Tocsin


def test_an_address_is_stopped_and_allowed_again(ready: Tocsin) -> None:
    """No list shows an address; both acts are in the audit, with why."""
    added = ready.run("suppressions", "add", "Eve@Example.com", "--reason", "asked by phone, eve@example.com")
    assert added.code == 0, added.err

    (row,) = ready.run("suppressions", "list", "--json").documents
    assert (row["reason"], row["until"]) == ("by_operator", None)
    assert "asked by phone" in row["detail"]
    assert "eve@" not in json.dumps(row).lower()
    assert ready.run("suppressions", "list", "--address", "eve@example.com", "--json").documents == [row]

    removed = ready.run("suppressions", "remove", "eve@example.com", "--reason", "asked again")
    assert removed.code == 0, removed.err
    assert ready.run("suppressions", "list", "--json").documents == []
    absent = ready.run("suppressions", "list", "--address", "eve@example.com")
    assert (absent.code, "not suppressed" in absent.err) == (1, True)

    told = ready.run("tail", "audit", "--json", "--from-beginning", "--until-end", timeout=60)
    assert told.code == 0, told.err
    for action, phase in product(("suppress", "unsuppress"), ("begun", "ended")):
        assert any(f'"{action}"' in line and f'"{phase}"' in line for line in told.out.splitlines())
    assert "asked again" in told.out
    assert "eve@" not in told.out.lower()


def test_what_is_no_address_is_refused(ready: Tocsin) -> None:
    """Wrong usage, with one line, and nothing is written."""
    refused = ready.run("suppressions", "add", "not an address")

    assert refused.code == 2
    assert ready.run("suppressions", "list", "--json").documents == []
