"""`tocsin suppressions`: add, list and remove, with a record in the operation log."""

import json
from itertools import product

from tests.e2e.cli.tocsin import Tocsin


def test_a_suppression_is_added_and_removed(ready: Tocsin) -> None:
    """No list shows an address; both operations are in the operation log, with the reason."""
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

    log = ready.run("tail", "audit", "--json", "--from-beginning", "--until-end", timeout_s=60)
    assert log.code == 0, log.err
    for action, phase in product(("suppress", "unsuppress"), ("begun", "ended")):
        assert any(f'"{action}"' in line and f'"{phase}"' in line for line in log.out.splitlines())
    assert "asked again" in log.out
    assert "eve@" not in log.out.lower()


def test_an_invalid_address_is_refused(ready: Tocsin) -> None:
    """Wrong usage (exit code 2), and nothing is written."""
    refused = ready.run("suppressions", "add", "not an address")

    assert refused.code == 2
    assert ready.run("suppressions", "list", "--json").documents == []
