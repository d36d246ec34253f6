"""Rows of the tables, read from JSON. The same bytes give the same object: hot rows are parsed once."""

from functools import lru_cache

from service.model.recipient import Contact, Group, Recipient

_REMEMBERED = 20_000


@lru_cache(maxsize=_REMEMBERED)
def recipient_of(row: bytes) -> Recipient:
    """A recipient as `row_bytes` wrote it."""
    return Recipient.model_validate_json(row)


@lru_cache(maxsize=_REMEMBERED)
def contact_of(row: bytes) -> Contact:
    """A contact as `row_bytes` wrote it."""
    return Contact.model_validate_json(row)


@lru_cache(maxsize=_REMEMBERED)
def group_of(row: bytes) -> Group:
    """A group as `row_bytes` wrote it."""
    return Group.model_validate_json(row)


def stands(row: bytes | None) -> bool:
    """Whether there is a row: neither absent nor the mark of a deleted one."""
    return row is not None and not row.startswith(b"-")
