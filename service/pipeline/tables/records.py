"""Records of the `tables.*` topics: read, check and store them in Redis.

A record's value is the whole row; a tombstone deletes the row. Versions are times in milliseconds: the row's own
`version`, a tombstone's header of that name, or else the record's timestamp. A lower version never undoes a higher one.
The keys and values of each topic are listed in docs/events.md.
"""

import asyncio
import re
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar, cast

import orjson
from pydantic import BaseModel

from service.model.access import Account, ApiKey
from service.model.event import InvalidEvent
from service.model.keys import ContactKey, GroupKey
from service.model.mask import mask_text
from service.model.reasons import DeadReason, Reason
from service.model.recipient import Contact, Group, Recipient
from service.model.record import Record
from service.model.suppression import Suppression
from service.model.unsubscribe import Unsubscribe
from service.model.validators import MAX_TIME_MS
from service.pipeline.resolve.event_time import EARLIEST_MS
from service.pipeline.resolve.strict_json import BYTE_ORDER_MARK, loads
from service.pipeline.tables.schema import Row, RowRefused, read_row
from service.pipeline.tables.writer import TableStores
from service.ports import LookupKeys

T = TypeVar("T")
_MAX_BYTES = 1_048_576
_AHEAD_MS = 600_000
_CONCURRENT = 32
_ADDRESS_KEY = re.compile(r"[0-9a-f]{24}")


@dataclass(frozen=True, slots=True)
class RowChange:
    """A row to write, or with `row` None a row to delete; `key` is the key of its record."""

    table: str
    key: str
    row: Row | None
    version: int

    @property
    def group_key(self) -> GroupKey:
        """Return the key as a group's key."""
        return GroupKey.parse(self.key)

    @property
    def contact_key(self) -> ContactKey:
        """Return the key as a contact's key."""
        return ContactKey.parse(self.key)


def read_change(table: str, record: Record) -> RowChange:
    """Return the change that a record makes. Raise InvalidEvent, which names the field."""
    key = record_key(record)
    if record.value is None:
        if table in ("groups", "contacts") and "|" not in key:
            raise bad_field("key", "must have two parts, separated by |")
        return RowChange(table, key, None, record_version(record))
    document = loads(record.value, _MAX_BYTES)
    if not isinstance(document, dict):
        raise InvalidEvent(DeadReason.not_an_object)
    if table == "suppressions":
        return _suppression(key, document, record.timestamp_ms)
    try:
        validated = read_row(table, record.value.removeprefix(BYTE_ORDER_MARK))
    except RowRefused as error:
        raise InvalidEvent(DeadReason.invalid_data, str(error)) from None
    if validated.key() != key:
        raise bad_field("key", "is not the row's key")
    row = cast(BaseModel, validated.row())
    version = bounded_version(validated.version, record)
    if version != validated.version:
        row = row.model_copy(update={"version": version})
    return RowChange(table, key, cast(Row, row), version)


def record_key(record: Record) -> str:
    """Return a record's key as text. Raise InvalidEvent."""
    try:
        key = (record.key or b"").decode()
    except UnicodeDecodeError:
        raise bad_field("key", "is not UTF-8") from None
    if not key:
        raise bad_field("key", "is empty")
    return key


def record_version(record: Record) -> int:
    """Return the version in the header, or else the record's timestamp (ms). Raise InvalidEvent."""
    for name, value in record.headers:
        if name == "version" and value is not None:
            if not value.isdigit() or len(value) > 15:
                raise bad_field("version", "the header must be a number of milliseconds")
            return bounded_version(int(value), record)
    return bounded_version(0, record)


def bounded_version(version: int, record: Record) -> int:
    """Return the version of a row or tombstone: the record's timestamp where it has none of its own (0).

    It is at most ten minutes after the record's timestamp: by a clock that is years ahead, it would keep all later rows
    out.
    """
    written_ms = min(max(1, record.timestamp_ms), MAX_TIME_MS)
    latest_ms = written_ms + _AHEAD_MS if written_ms >= EARLIEST_MS else MAX_TIME_MS
    return min(version or written_ms, latest_ms)


def bad_field(field: str, problem: str) -> InvalidEvent:
    """Return the error for a record whose key, header or row is invalid in one field."""
    return InvalidEvent(DeadReason.invalid_data, f"{field}: {problem}")


def newest_changes(changes: Iterable[RowChange]) -> list[RowChange]:
    """Return one change per row: the one with the highest version, of equal versions the last."""
    newest: dict[tuple[str, str], RowChange] = {}
    for change in changes:
        other = newest.get((change.table, change.key))
        if other is None or other.version <= change.version:
            newest[change.table, change.key] = change
    return list(newest.values())


async def apply_changes(stores: TableStores, changes: Sequence[RowChange]) -> list[RowChange]:
    """Store changes of different rows; return those not applied, because a newer row is stored. Raise Unavailable."""
    recipients = [c for c in changes if isinstance(c.row, Recipient)]
    contacts = [c for c in changes if isinstance(c.row, Contact)]
    others = [c for c in changes if not isinstance(c.row, Recipient | Contact)]
    written: list[bool] = []
    if recipients:
        written += await stores.writes.put_recipients([cast(Recipient, c.row) for c in recipients])
    if contacts:
        written += await stores.writes.put_contacts([cast(Contact, c.row) for c in contacts])
    written += await _gather_bounded([_put(stores, change) for change in others])
    return [c for c, done in zip([*recipients, *contacts, *others], written, strict=True) if not done]


async def stored_rows(
    stores: TableStores, changes: Sequence[RowChange]
) -> Mapping[tuple[str, str], Recipient | Contact | Group | Account | ApiKey]:
    """Return the stored rows that these changes concern, by table and key. Raise Unavailable.

    Suppressions and unsubscribes are left out.
    """
    if not changes:
        return {}
    keys = LookupKeys()
    for change in changes:
        if change.table == "recipients":
            keys.recipients.add(change.key)
        elif change.table == "groups":
            keys.groups.add(change.group_key)
        elif change.table == "contacts":
            keys.contacts.add(change.contact_key)
    rows = await stores.tables.lookup(keys)
    stored: dict[tuple[str, str], Recipient | Contact | Group | Account | ApiKey] = {
        **{("recipients", key): row for key, row in rows.recipients.items()},
        **{("groups", str(key)): row for key, row in rows.groups.items()},
        **{("contacts", str(key)): row for key, row in rows.contacts.items()},
    }
    for change in changes:
        if change.table in ("accounts", "api-keys"):
            port = stores.accounts if change.table == "accounts" else stores.api_keys
            if (row := await port.get(change.key)) is not None:
                stored[change.table, change.key] = row
    return stored


async def _gather_bounded(awaitables: Sequence[Awaitable[T]]) -> list[T]:
    """Await some at a time, so that the Redis connection pool is not exhausted; return the results in order."""
    results: list[T] = []
    for start in range(0, len(awaitables), _CONCURRENT):
        results += await asyncio.gather(*awaitables[start : start + _CONCURRENT])
    return results


async def _put(stores: TableStores, change: RowChange) -> bool:
    match change.row:
        case Group():
            return await stores.writes.put_group(change.row)
        case Suppression():
            return await stores.writes.put_suppression(change.key, change.row)
        case Unsubscribe():
            return await stores.writes.put_unsubscribe(change.row)
        case Account():
            return await stores.accounts.put(change.row)
        case ApiKey():
            return await stores.api_keys.put(change.row)
    return await _delete(stores, change)


async def _delete(stores: TableStores, change: RowChange) -> bool:
    writes, key, version = stores.writes, change.key, change.version
    match change.table:
        case "recipients":
            deleting = writes.delete_recipient(key, version)
        case "groups":
            deleting = writes.delete_group(*change.group_key, version)
        case "contacts":
            deleting = writes.delete_contact(*change.contact_key, version)
        case "suppressions":
            deleting = writes.delete_suppression(key, version)
        case "unsubscribes":
            deleting = writes.delete_unsubscribe(key, version)
        case "accounts":
            deleting = stores.accounts.delete(key, version)
        case _:
            deleting = stores.api_keys.delete(key, version)
    return await deleting


def _suppression(key: str, document: dict[str, object], timestamp_ms: int) -> RowChange:
    if not _ADDRESS_KEY.fullmatch(key):
        raise bad_field("key", "must be the hash of an address, in 24 hex digits")
    if (reason := document.get("reason")) == Reason.none or reason not in list(Reason):
        raise bad_field("reason", "must be a reason of the ledger")
    times = [
        document.get(name) or default for name, default in (("at_ms", max(1, timestamp_ms)), ("until_ms", 0))
    ]
    for name, at in zip(("at_ms", "until_ms"), times, strict=True):
        if not isinstance(at, int) or isinstance(at, bool) or not 0 <= at <= MAX_TIME_MS:
            raise bad_field(name, "must be a time in milliseconds")
    detail = document.get("detail") or ""
    if not isinstance(detail, str):
        raise bad_field("detail", "must be a text")
    row = Suppression.from_bytes(
        orjson.dumps({**document, "detail": mask_text(detail)[:300], "at_ms": times[0], "until_ms": times[1]})
    )
    return RowChange("suppressions", key, row, row.at_ms)
