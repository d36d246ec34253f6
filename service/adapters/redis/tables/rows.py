"""Rows of the tables, parsed from JSON. The same bytes give the same object, so a hot row is parsed once."""

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import TypeGuard, TypeVar

from service.adapters.redis.unreadable_rows import readable
from service.model.access import Account
from service.model.blocks.suppression import UNREADABLE, Suppression
from service.model.holds.calendar import QuietHours
from service.model.recipient import Contact, Group, Recipient

K = TypeVar("K")
T = TypeVar("T")

_CACHED_ROWS = 4_096


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


@lru_cache(maxsize=_CACHED_ROWS)
def _quiet_hours_of(row: bytes) -> QuietHours | None:
    return Account.model_validate_json(row).quiet_hours


def account_hours(row: bytes | None) -> QuietHours | None:
    """Return the quiet hours in the row of an account; None where it has none, and without a row."""
    return readable("accounts", _quiet_hours_of, row) if is_current(row) else None


def suppression_of(row: bytes) -> Suppression:
    """Return a suppression; UNREADABLE for a row that cannot be read, which blocks mail too."""
    return readable("suppressions", Suppression.from_bytes, row) or UNREADABLE


def is_current(row: bytes | None) -> TypeGuard[bytes]:
    """Return whether this is a row: neither absent nor the tombstone of a deleted one."""
    return row is not None and not row.startswith(b"-")


def rows_by_key(
    table: str, parse: Callable[[bytes], T], keys: Iterable[K], rows: Iterable[bytes | None]
) -> dict[K, T]:
    """Return the parsed rows of these keys, without those that are absent, deleted or unreadable."""
    return {
        key: parsed
        for key, row in zip(keys, rows, strict=True)
        if is_current(row) and (parsed := readable(table, parse, row)) is not None
    }
