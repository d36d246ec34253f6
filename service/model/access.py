"""Credentials for the API: accounts with a password, services with a key. Only hashes are kept."""

from collections.abc import Iterable, Mapping

from pydantic import BaseModel, ConfigDict, Field

from service.model.holds.calendar import QuietHours

SCOPES = (
    "inbox",
    "tokens",
    "tables",
    "events",
    "operate",
    "operate:read",
    "operate:write",
    "operate:personal",
)
"""The rights of a credential: read one's inbox, issue tokens for inboxes, change tables, publish events, inspect and
repair. `operate` has all three parts of it: `read`, `write` (which includes `read`), and `personal`: see addresses."""

_INCLUDED: Mapping[str, frozenset[str]] = {
    "operate": frozenset({"operate:read", "operate:write", "operate:personal"}),
    "operate:write": frozenset({"operate:read"}),
}


def scopes_of(granted: Iterable[str]) -> frozenset[str]:
    """Return granted scopes with those that they include."""
    scopes = frozenset(granted)
    return scopes.union(*(_INCLUDED[one] for one in scopes & _INCLUDED.keys()))


class _CredentialRow(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Account(_CredentialRow):
    """An account: its credential is an argon2id hash in PHC form; `quiet_hours` are those of contacts without any."""

    id: str = Field(min_length=1, max_length=128)
    credential: str
    quiet_hours: QuietHours | None = None
    version: int = 0


class ApiKey(_CredentialRow):
    """A service's key. `hash` is SHA-256 in hex: the secret has 256 random bits, so no slow hash is needed.

    Times are milliseconds since the epoch; 0 means never.
    """

    id: str
    name: str
    scopes: tuple[str, ...]
    hash: str
    created_ms: int
    revoked_ms: int = 0
    version: int = 0
