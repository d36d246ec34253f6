"""Roles of the console, and the rights that they have: the scopes that the API asks of a key for the same things."""

from collections.abc import Iterable, Mapping
from typing import Any

READ, WRITE, PERSONAL = "operate:read", "operate:write", "operate:personal"
RIGHTS: Mapping[str, frozenset[str]] = {
    "viewer": frozenset({READ}),
    "operator": frozenset({READ, WRITE}),
    "privacy": frozenset({READ, PERSONAL}),
}
"""The rights of each role; those of several roles add up. With PERSONAL one may see addresses, export and erase."""


def rights_of(roles: Iterable[str]) -> frozenset[str]:
    """Return the rights of these roles together."""
    return frozenset[str]().union(*(RIGHTS.get(role, frozenset()) for role in roles))


def roles_in(claims: Mapping[str, Any], claim: str, names: Mapping[str, str]) -> tuple[str, ...]:
    """Return the roles that an id token's claims have, by `names`: value of the claim → role.

    `claim` may be a name as it is, or a path with dots (`realm_access.roles`). Its value is a list, or a text with
    blanks between the names.
    """
    value: Any = claims.get(claim)
    if value is None:
        value = claims
        for part in claim.split("."):
            value = value.get(part) if isinstance(value, dict) else None
    values = value.split() if isinstance(value, str) else value if isinstance(value, list) else []
    return tuple(sorted({names[one] for one in values if isinstance(one, str) and one in names}))
