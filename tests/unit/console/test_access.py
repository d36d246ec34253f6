"""Roles from the claims of an id token, and what they may."""

from typing import Any

import pytest

from service.console.access import PERSONAL, READ, WRITE, rights_of, roles_in

_NAMES = {"tocsin-ops": "operator", "tocsin-read": "viewer", "dpo": "privacy"}


@pytest.mark.parametrize(
    ("claims", "claim", "roles"),
    [
        ({"roles": ["tocsin-ops", "dpo", "other"]}, "roles", ("operator", "privacy")),
        ({"roles": "tocsin-read openid"}, "roles", ("viewer",)),
        ({"realm_access": {"roles": ["tocsin-ops"]}}, "realm_access.roles", ("operator",)),
        ({"https://corp.example/roles": ["dpo"]}, "https://corp.example/roles", ("privacy",)),
        ({}, "roles", ()),
        ({"roles": {"tocsin-ops": True}}, "roles", ()),
        ({"roles": [["tocsin-ops"], 1, None]}, "roles", ()),
        ({"roles": ["operator"]}, "roles", ()),
        ({"realm_access": ["roles"]}, "realm_access.roles", ()),
    ],
)
def test_roles_in_claims(claims: dict[str, Any], claim: str, roles: tuple[str, ...]) -> None:
    """Only values that the settings name are roles, in a list or in a text, however deep the claim is."""
    assert roles_in(claims, claim, _NAMES) == roles


def test_rights_add_up() -> None:
    """A viewer reads; an operator also writes; a privacy officer also sees addresses, and writes nothing else."""
    assert rights_of(["viewer"]) == {READ}
    assert rights_of(["operator"]) == {READ, WRITE}
    assert rights_of(["privacy"]) == {READ, PERSONAL}
    assert rights_of(["operator", "privacy"]) == {READ, WRITE, PERSONAL}
    assert rights_of(["no such role"]) == frozenset()
