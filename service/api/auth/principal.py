"""A caller that has shown who it is."""

import math
from dataclasses import dataclass
from enum import StrEnum


class PrincipalKind(StrEnum):
    """How a caller has shown who it is."""

    recipient = "recipient"  # a JWT; the id is its `sub`
    service = "service"  # an API key; the id is the key's
    account = "account"  # HTTP Basic; the id is the account's


@dataclass(frozen=True, slots=True)
class Principal:
    """Who calls, with what it may do. `until` is when the credential ends, in seconds since the epoch."""

    kind: PrincipalKind
    id: str
    scopes: frozenset[str]
    until: float = math.inf

    @property
    def name(self) -> str:
        """One word for this caller, unlike that of any caller of another kind."""
        return f"{self.kind}:{self.id}"


class BadCredential(Exception):
    """A credential that proves nothing.

    The text goes to the caller: it names the fault, never the credential.
    """
