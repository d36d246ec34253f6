"""The records of the `tables.*` topics: what each one means, whether it is sound, and its way into Redis.

A row's record has the row as its value; a tombstone deletes it. Versions are times in milliseconds: the row's own
`version`, a tombstone's header of that name, or else the record's timestamp. A lower one never undoes a higher one.

| topic | key | value |
|---|---|---|
| `tables.recipients` | id | `Recipient` |
| `tables.groups` | `external_id|project_id` | `Group` |
| `tables.contacts` | `account|uuid` | `Contact` |
| `tables.suppressions` | `address_key` | `reason`, `at_ms`, `detail` |
| `tables.unsubscribes` | `unsubscribe_key` | `Unsubscribe` |
| `tables.accounts` | account | `Account` |
| `tables.api-keys` | key id | `ApiKey` |
| `tables.preferences` | `recipient|type|channel`; `account|uuid|type|channel` | `{"on": bool}`; tombstone: default |
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
from service.pipeline.resolve.strict_json import loads
from service.pipeline.tables.schema import Row, RowRefused, read_row
from service.pipeline.tables.writer import TableStores
from service.ports import LookupKeys

T = TypeVar("T")
_MOST_BYTES = 1_048_576
_AT_ONCE = 32
_ADDRESS_KEY = re.compile(r"[0-9a-f]{24}")


@dataclass(frozen=True, slots=True)
class RowChange:
    """A row to be written, or with `row` None one to be deleted; `key` is that of its record."""

    table: str
    key: str
    row: Row | None
    version: int

    @property
    def group_key(self) -> GroupKey:
        """The key of a group, in its parts."""
        return GroupKey.parse(self.key)

    @property
    def contact_key(self) -> ContactKey:
        """The key of a contact, in its parts."""
        return ContactKey.parse(self.key)


def read_change(table: str, record: Record) -> RowChange:
    """What a record says. Raises InvalidEvent, which names the field."""
    key = key_of(record)
    if record.value is None:
        if table in ("groups", "contacts") and "|" not in key:
            raise bad_field("key", "must have two parts, separated by |")
        return RowChange(table, key, None, version_of(record))
    document = loads(record.value, _MOST_BYTES)
    if not isinstance(document, dict):
        raise InvalidEvent(DeadReason.not_an_object)
    if table == "suppressions":
        return _suppression(key, document, record.timestamp_ms)
    try:
        form = read_row(table, record.value)
    except RowRefused as error:
        raise InvalidEvent(DeadReason.invalid_data, str(error)) from None
    if form.key() != key:
        raise bad_field("key", "is not that of the row")
    row = cast(BaseModel, form.row())
    if not form.version:
        row = row.model_copy(update={"version": max(1, record.timestamp_ms)})
    return RowChange(table, key, cast(Row, row), form.version or max(1, record.timestamp_ms))


def key_of(record: Record) -> str:
    """The key as text. Raises InvalidEvent."""
    try:
        key = (record.key or b"").decode()
    except UnicodeDecodeError:
        raise bad_field("key", "is not UTF-8") from None
    if not key:
        raise bad_field("key", "is empty")
    return key


def version_of(record: Record) -> int:
    """The version in the header, or else the record's time. Raises InvalidEvent."""
    for name, value in record.headers:
        if name == "version":
            if not value.isdigit() or len(value) > 15:
                raise bad_field("version", "the header is no number of milliseconds")
            return int(value)
    return max(1, record.timestamp_ms)


def bad_field(place: str, what: str) -> InvalidEvent:
    """Why a row is refused."""
    return InvalidEvent(DeadReason.invalid_data, f"{place}: {what}")


def newest(changes: Iterable[RowChange]) -> list[RowChange]:
    """One change a row: the highest version, of equal ones the last."""
    last: dict[tuple[str, str], RowChange] = {}
    for change in changes:
        standing = last.get((change.table, change.key))
        if standing is None or standing.version <= change.version:
            last[change.table, change.key] = change
    return list(last.values())


async def put_changes(stores: TableStores, changes: Sequence[RowChange]) -> list[RowChange]:
    """Write changes of different rows; those that found something newer. Raises Unavailable."""
    people = [c for c in changes if isinstance(c.row, Recipient)]
    contacts = [c for c in changes if isinstance(c.row, Contact)]
    others = [c for c in changes if not isinstance(c.row, Recipient | Contact)]
    written: list[bool] = []
    if people:
        written += await stores.writes.put_recipients([cast(Recipient, c.row) for c in people])
    if contacts:
        written += await stores.writes.put_contacts([cast(Contact, c.row) for c in contacts])
    written += await gathered([_put(stores, change) for change in others])
    return [c for c, done in zip([*people, *contacts, *others], written, strict=True) if not done]


async def standing_rows(
    stores: TableStores, changes: Sequence[RowChange]
) -> Mapping[tuple[str, str], Recipient | Contact | Group | Account | ApiKey]:
    """What stands where these changes go, by table and key; suppressions are left out. Raises Unavailable."""
    if not changes:
        return {}
    wanted = LookupKeys()
    for change in changes:
        if change.table == "recipients":
            wanted.recipients.add(change.key)
        elif change.table == "groups":
            wanted.groups.add(change.group_key)
        elif change.table == "contacts":
            wanted.contacts.add(change.contact_key)
    rows = await stores.tables.lookup(wanted)
    found: dict[tuple[str, str], Recipient | Contact | Group | Account | ApiKey] = {
        **{("recipients", key): row for key, row in rows.recipients.items()},
        **{("groups", str(key)): row for key, row in rows.groups.items()},
        **{("contacts", str(key)): row for key, row in rows.contacts.items()},
    }
    for change in changes:
        if change.table in ("accounts", "api-keys"):
            port = stores.accounts if change.table == "accounts" else stores.api_keys
            if (row := await port.get(change.key)) is not None:
                found[change.table, change.key] = row
    return found


async def gathered(waiting: Sequence[Awaitable[T]]) -> list[T]:
    """Their results, some at a time, so that no more connections are used than there are."""
    found: list[T] = []
    for start in range(0, len(waiting), _AT_ONCE):
        found += await asyncio.gather(*waiting[start : start + _AT_ONCE])
    return found


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
    if document.get("reason") not in set(Reason) - {Reason.none}:
        raise bad_field("reason", "must be a reason of the ledger")
    times = [
        document.get(name) or default for name, default in (("at_ms", max(1, timestamp_ms)), ("until_ms", 0))
    ]
    for name, at in zip(("at_ms", "until_ms"), times, strict=True):
        if not isinstance(at, int) or isinstance(at, bool) or not 0 <= at < 2**53:
            raise bad_field(name, "must be a time in milliseconds")
    detail = document.get("detail") or ""
    if not isinstance(detail, str):
        raise bad_field("detail", "must be a text")
    row = Suppression.from_bytes(
        orjson.dumps({**document, "detail": mask_text(detail)[:300], "at_ms": times[0], "until_ms": times[1]})
    )
    return RowChange("suppressions", key, row, row.at_ms)
