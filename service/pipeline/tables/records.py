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
from service.model.blocks.suppression import Suppression
from service.model.blocks.unsubscribe import Unsubscribe
from service.model.event import InvalidEvent
from service.model.keys import ContactKey, GroupKey
from service.model.mask import mask_text
from service.model.reasons import DeadReason, Reason
from service.model.recipient import Contact, Group, Recipient
from service.model.record import Record
from service.model.validators import MAX_TIME_MS, is_time_ms
from service.pipeline.resolve.event_time import EARLIEST_MS
from service.pipeline.resolve.strict_json import BYTE_ORDER_MARK, loads
from service.pipeline.tables.schema import Row, RowRefused, read_row
from service.pipeline.tables.writer import TableStores
from service.ports import LookupKeys
from service.ports.turns import SHARE_BYTES, Turns

T = TypeVar("T")
_MAX_BYTES = 1_048_576
AHEAD_MS = 600_000
"""How far the clocks of two writers may differ."""
_CONCURRENT = 32
_MAX_INLINE_BYTES = 4096
_ROW_BYTES = SHARE_BYTES // 16
"""A row counts as so many bytes of work, since its addresses, names and zones are checked."""
_MASKED_CHARACTERS = 16_384
REPUBLISHED = "tocsin-republished"
"""The header of a stored row that is published again with a version that is too far ahead."""
_ADDRESS_KEY = re.compile(r"[0-9a-f]{24}")


@dataclass(frozen=True, slots=True)
class RowChange:
    """A row to write, or with `row` None a row to delete; `key` is the key of its record."""

    table: str
    key: str
    row: Row | None
    version: int
    republished: bool = False
    """The record is a stored row that this stage has published, but the row's own version is too far ahead."""

    @property
    def group_key(self) -> GroupKey:
        """Return the key as a group's key."""
        return GroupKey.parse(self.key)

    @property
    def contact_key(self) -> ContactKey:
        """Return the key as a contact's key."""
        return ContactKey.parse(self.key)


async def read_change_in_turn(table: str, record: Record, now_ms: int, turns: Turns) -> RowChange:
    """Return the change that a record makes, as `read_change` does, and let other tasks run meanwhile."""
    size = len(record.value or b"")
    if (
        size > _MAX_INLINE_BYTES
    ):  # the lists of a group: thousands of addresses, each of which may cost 0.3 ms
        return await asyncio.to_thread(read_change, table, record, now_ms)
    await turns.worked(_ROW_BYTES + size)
    return read_change(table, record, now_ms)


def read_change(table: str, record: Record, now_ms: int) -> RowChange:
    """Return the change that a record makes, read at this time (`bounded_version`). Raise InvalidEvent."""
    key = record_key(record)
    if record.value is None:
        if table in ("groups", "contacts") and "|" not in key:
            raise bad_field("key", "must have two parts, separated by |")
        return RowChange(table, key, None, record_version(record, now_ms))
    document = loads(record.value, _MAX_BYTES)
    if not isinstance(document, dict):
        raise InvalidEvent(DeadReason.not_an_object)
    if table == "suppressions":
        return _suppression(key, document, record, now_ms)
    try:
        validated = read_row(table, record.value.removeprefix(BYTE_ORDER_MARK))
    except RowRefused as error:
        raise InvalidEvent(DeadReason.invalid_data, str(error)) from None
    if validated.key() != key:
        raise bad_field("key", "is not the row's key")
    row = cast(BaseModel, validated.row())
    version = bounded_version(validated.version, record, now_ms)
    if version != validated.version:
        row = row.model_copy(update={"version": version})
    if isinstance(row, Recipient | Contact) and row.preferences:
        row = _with_bounded_choices(row, bounded_version(MAX_TIME_MS, record, now_ms))
    republished = version < validated.version and any(name == REPUBLISHED for name, _ in record.headers)
    return RowChange(table, key, cast(Row, row), version, republished)


def record_key(record: Record) -> str:
    """Return a record's key as text. Raise InvalidEvent."""
    try:
        key = (record.key or b"").decode()
    except UnicodeDecodeError:
        raise bad_field("key", "is not UTF-8") from None
    if not key:
        raise bad_field("key", "is empty")
    return key


def _with_bounded_choices(row: Recipient | Contact, latest_ms: int) -> Recipient | Contact:
    """Return the row with choices of this time at most: one of a wrong clock would keep all later ones out."""
    if all(choice.since_ms <= latest_ms for choice in row.preferences.values()):
        return row
    choices = {
        key: choice.model_copy(update={"since_ms": min(choice.since_ms, latest_ms)})
        for key, choice in row.preferences.items()
    }
    return row.model_copy(update={"preferences": choices})


def record_version(record: Record, now_ms: int) -> int:
    """Return the version in the header, or else the record's timestamp (ms). Raise InvalidEvent."""
    for name, value in record.headers:
        if name == "version" and value is not None:
            if not value.isdigit() or len(value) > 15:
                raise bad_field("version", "the header must be a number of milliseconds")
            return bounded_version(int(value), record, now_ms)
    return bounded_version(0, record, now_ms)


def is_dated(record: Record, now_ms: int) -> bool:
    """Return whether a record's timestamp can be that of a right clock at this time."""
    return EARLIEST_MS <= record.timestamp_ms <= now_ms + AHEAD_MS


def bounded_version(version: int, record: Record, now_ms: int) -> int:
    """Return the version of a row or tombstone: the record's timestamp where it has none of its own (0).

    It is at most ten minutes after the record's timestamp, or after now where that cannot be right: by a clock that is
    years ahead, it would keep all later rows out.
    """
    written_ms = record.timestamp_ms if is_dated(record, now_ms) else now_ms
    return min(version or max(1, min(record.timestamp_ms, written_ms)), written_ms + AHEAD_MS)


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
        written += await stores.put_recipients([cast(Recipient, c.row) for c in recipients])
    if contacts:
        written += await stores.put_contacts([cast(Contact, c.row) for c in contacts])
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
            return await stores.put_account(change.row)
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


def _suppression(key: str, document: dict[str, object], record: Record, now_ms: int) -> RowChange:
    if not _ADDRESS_KEY.fullmatch(key):
        raise bad_field("key", "must be the hash of an address, in 24 hex digits")
    if (reason := document.get("reason")) == Reason.none or reason not in list(Reason):
        raise bad_field("reason", "must be a reason of the ledger")
    at_ms, until_ms = (document.get(name) or 0 for name in ("at_ms", "until_ms"))
    if not is_time_ms(at_ms):
        raise bad_field("at_ms", "must be a time in milliseconds")
    if not is_time_ms(until_ms):
        raise bad_field("until_ms", "must be a time in milliseconds")
    at_ms = bounded_version(at_ms, record, now_ms)
    detail = document.get("detail") or ""
    if not isinstance(detail, str):
        raise bad_field("detail", "must be a text")
    row = Suppression.from_bytes(
        orjson.dumps(
            {
                **document,
                "detail": mask_text(detail[:_MASKED_CHARACTERS])[:300],
                "at_ms": at_ms,
                "until_ms": until_ms,
            }
        )
    )
    return RowChange("suppressions", key, row, row.at_ms)
