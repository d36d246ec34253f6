"""Preferences that upstream systems set by Kafka alone: each is folded into the row of its recipient or contact.

The row, not the preference, is what is kept: it goes to its own topic too, and a rebuild reads rows only. A default
that was asked for by a tombstone is kept as a choice with its time, so that an older record cannot undo it.
"""

from dataclasses import replace
from typing import Any

from service.model.catalogue import Catalogue
from service.model.recipient import Choice, Contact, Recipient, preference_key, row_bytes
from service.model.record import Message, Record
from service.model.topics import TopicNames
from service.pipeline.resolve.strict_json import loads
from service.pipeline.tables.records import (
    RowChange,
    bad_field,
    key_of,
    put_changes,
    standing_rows,
    version_of,
)
from service.pipeline.tables.writer import TableStores
from service.ports import Clock, RowLocks, Unavailable

BY_RECORD = "tables.preferences"
"""Who set a choice that came this way."""
BY_TOMBSTONE = "tables.preferences, default"
_ATTEMPTS = 8
_STUB_VERSION = 1  # any row that comes later is newer


class PreferenceApplier:
    """Applies records of `tables.preferences`."""

    def __init__(
        self, stores: TableStores, locks: RowLocks, catalogue: Catalogue, topics: TopicNames, clock: Clock
    ) -> None:
        self._stores = stores
        self._locks = locks
        self._catalogue = catalogue
        self._topics = topics
        self._clock = clock

    async def apply(self, record: Record) -> list[Message]:
        """The messages for the row's own topic. Raises InvalidEvent, which names the field, and Unavailable.

        A recipient that is not in the table yet gets a row without an address, so that its choice waits for it there.
        """
        who, type_name, channel = self._name(record)
        key, version = preference_key(type_name, channel), version_of(record)
        choice = _choice(record, version)
        for target in _targets(who):
            async with self._locks.hold(_lock(target)):
                standing = await self._standing(target)
                if standing is not None:
                    return await self._fold(target, standing, key, choice)
        if "|" in who:
            raise bad_field("key", "names no contact and no recipient that there is")
        stub = Recipient(id=who, preferences={key: choice}, version=_STUB_VERSION)
        return await self._put(RowChange("recipients", who, stub, stub.version))

    async def merge(self, change: RowChange) -> list[Message]:
        """Write a row with the fed choices of the row that stands; the messages for its topic. Raises Unavailable."""
        async with self._locks.hold(_lock(change)):
            standing = await self._standing(change)
            merged = change if standing is None else carried(change, standing)
            messages = await self._put(merged)
            return messages if merged is not change else []

    async def _fold(
        self, target: RowChange, standing: Recipient | Contact, key: str, choice: Choice
    ) -> list[Message]:
        for _ in range(_ATTEMPTS):
            known = standing.preferences.get(key)
            if known is not None and known.since_ms > choice.since_ms:
                return []
            if known == choice:  # written before, but perhaps not told
                return [self._message(replace(target, row=standing))]
            version = max(self._clock.now_ms(), standing.version + 1)
            preferences = {**standing.preferences, key: choice}
            row = standing.model_copy(update={"preferences": preferences, "version": version})
            if messages := await self._put(replace(target, row=row, version=version)):
                return messages
            again = await self._standing(target)
            if again is None:
                return []
            standing = again
        raise Unavailable("a row is changed too often to change it too")

    async def _put(self, change: RowChange) -> list[Message]:
        """The row's message; none where something newer stands."""
        return [] if await put_changes(self._stores, [change]) else [self._message(change)]

    async def _standing(self, change: RowChange) -> Recipient | Contact | None:
        row = (await standing_rows(self._stores, [change])).get((change.table, change.key))
        return row if isinstance(row, Recipient | Contact) else None

    def _message(self, change: RowChange) -> Message:
        assert isinstance(change.row, Recipient | Contact)
        return Message(self._topics.table(change.table), change.key.encode(), row_bytes(change.row))

    def _name(self, record: Record) -> tuple[str, str, str]:
        parts = key_of(record).rsplit("|", 2)
        if len(parts) != 3 or not parts[0]:
            raise bad_field("key", "must be recipient|type|channel")
        who, type_name, channel = parts
        row = self._catalogue.get(type_name)
        if row is None or row.name != type_name:
            raise bad_field("type", "is not in the catalogue")
        if channel not in row.channels:
            raise bad_field("channel", "is none of the type's")
        if len(who) > 128 and "|" not in who:
            raise bad_field("recipient", "is longer than 128 characters")
        return who, type_name, channel


def carried(change: RowChange, standing: Recipient | Contact) -> RowChange:
    """The change with the fed choices that its row does not know, newer than both rows; itself where there is none."""
    row = change.row
    if not isinstance(row, Recipient | Contact) or standing.version >= change.version:
        return change
    fed = {
        key: choice
        for key, choice in standing.preferences.items()
        if choice.by in (BY_RECORD, BY_TOMBSTONE) and key not in row.preferences
    }
    if not fed:
        return change
    version = change.version + 1
    merged = row.model_copy(update={"preferences": {**row.preferences, **fed}, "version": version})
    return replace(change, row=merged, version=version)


def _targets(who: str) -> list[RowChange]:
    """The rows that a name may stand for, without their content."""
    contact = [RowChange("contacts", who, None, 0)] if "|" in who else []
    return [*contact, RowChange("recipients", who, None, 0)]


def _lock(change: RowChange) -> str:
    """The lock that the API's writer holds for this row."""
    return (
        f"account:{change.contact_key.account}" if change.table == "contacts" else f"recipient:{change.key}"
    )


def _choice(record: Record, version: int) -> Choice:
    if record.value is None:
        return Choice(on=True, since_ms=version, by=BY_TOMBSTONE)
    document: Any = loads(record.value)
    on = document.get("on") if isinstance(document, dict) else None
    if not isinstance(on, bool):
        raise bad_field("on", "must be true or false")
    return Choice(on=on, since_ms=version, by=BY_RECORD)
