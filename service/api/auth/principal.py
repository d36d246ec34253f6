"""An authenticated caller."""

import math
from dataclasses import dataclass
from enum import StrEnum


class PrincipalKind(StrEnum):
    """The kind of credential that authenticated a caller."""

    recipient = "recipient"  # a JWT; the id is its `sub`
    service = "service"  # an API key; the id is the key's
    account = "account"  # HTTP Basic; the id is the account's


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller and its scopes, with those that they include.

    `until` is when its credential expires, in seconds since the epoch.
    """

    kind: PrincipalKind
    id: str
    scopes: frozenset[str]
    until: float = math.inf

    @property
    def name(self) -> str:
        """Return a name that is unique across callers of every kind: the kind and the id."""
        return f"{self.kind}:{self.id}"


class BadCredential(Exception):
    """A credential that is not valid.

    The text is sent to the caller: it names the fault and never contains the credential.
    """
