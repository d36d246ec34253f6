"""Rows of the tables, parsed from JSON. The same bytes give the same object, so a hot row is parsed once."""

from functools import lru_cache
from typing import TypeGuard

from service.model.recipient import Contact, Group, Recipient

_CACHED_ROWS = 20_000


@lru_cache(maxsize=_CACHED_ROWS)
def recipient_of(row: bytes) -> Recipient:
    """Return a recipient that `row_bytes` wrote."""
    return Recipient.model_validate_json(row)


@lru_cache(maxsize=_CACHED_ROWS)
def contact_of(row: bytes) -> Contact:
    """Return a contact that `row_bytes` wrote."""
    return Contact.model_validate_json(row)


@lru_cache(maxsize=_CACHED_ROWS)
def group_of(row: bytes) -> Group:
    """Return a group that `row_bytes` wrote."""
    return Group.model_validate_json(row)


def is_current(row: bytes | None) -> TypeGuard[bytes]:
    """Return whether this is a row: neither absent nor the tombstone of a deleted one."""
    return row is not None and not row.startswith(b"-")
