"""Preferences set by upstream systems through Kafka (`tables.preferences`): each is merged into its row.

The row of the recipient or contact, not the preference, is what is kept: it is published to its own topic too, and a
rebuild reads rows only. A default set by a tombstone is kept as a choice with its time, so that an older record cannot
undo it.
"""

from dataclasses import replace
from typing import Any, NamedTuple

from service.model.catalogue import Catalogue, NotificationType
from service.model.holds.calendar import Frequency
from service.model.recipient import Choice, Contact, Recipient, preference_key, row_bytes
from service.model.record import Message, Record
from service.model.topics import TopicNames
from service.pipeline.resolve.strict_json import loads
from service.pipeline.tables.records import (
    RowChange,
    apply_changes,
    bad_field,
    record_key,
    record_version,
    stored_rows,
)
from service.pipeline.tables.writer import TableStores
from service.ports import Clock, RowLocks, Unavailable

BY_RECORD = "tables.preferences"
"""`Choice.by` of a choice set by a record."""
BY_TOMBSTONE = "tables.preferences, default"
"""`Choice.by` of a default set by a tombstone."""
_ATTEMPTS = 8
_STUB_VERSION = 1  # any row that comes later is newer


class PreferenceApplier:
    """Applier of `tables.preferences` records to the rows of recipients and contacts."""

    def __init__(
        self, stores: TableStores, locks: RowLocks, catalogue: Catalogue, topics: TopicNames, clock: Clock
    ) -> None:
        self._stores = stores
        self._locks = locks
        self._catalogue = catalogue
        self._topics = topics
        self._clock = clock

    async def apply(self, record: Record) -> list[Message]:
        """Set the preference in its row; return the messages for the row's own topic.

        A recipient that is not in the table yet gets a row without an address, in which the choice waits for it.
        Raise InvalidEvent, which names the field, and Unavailable.
        """
        row_key, notification_type, channel = self._split_key(record)
        preference = preference_key(notification_type.name, channel)
        stated = _stated(record, record_version(record, self._clock.now_ms()))
        try:
            notification_type.check_frequency(channel, stated.choice.frequency)
        except ValueError as error:
            raise bad_field("frequency", str(error)) from None
        for target in _targets(row_key):
            # Lock before reading: the API's writer holds the same lock, and a row that it writes between our read
            # and our write would be replaced by one without its change.
            async with self._locks.hold(_lock(target)):
                current = await self._current(target)
                if current is not None:
                    return await self._set_choice(target, current, preference, stated)
        if "|" in row_key:
            raise bad_field("key", "names no known contact or recipient")
        stub = Recipient(id=row_key, preferences={preference: stated.choice}, version=_STUB_VERSION)
        return await self._put(RowChange("recipients", row_key, stub, stub.version))

    async def merge(self, change: RowChange) -> list[Message]:
        """Write a row with the applied choices of the stored row; return the messages for its topic.

        Raise Unavailable.
        """
        async with self._locks.hold(_lock(change)):
            current = await self._current(change)
            merged = change if current is None else preserve_choices(change, current)
            messages = await self._put(merged)
            return messages if merged is not change else []

    async def _set_choice(
        self, target: RowChange, current: Recipient | Contact, preference: str, stated: "_Stated"
    ) -> list[Message]:
        for _ in range(_ATTEMPTS):
            known = current.preferences.get(preference)
            if known is not None and known.since_ms > stated.choice.since_ms:
                return []
            choice = stated.over(known)
            if (
                known == choice
            ):  # stored before, but perhaps not published: the worker may have stopped in between
                return [self._message(replace(target, row=current))]
            version = max(self._clock.now_ms(), current.version + 1)
            preferences = {**current.preferences, preference: choice}
            row = current.model_copy(update={"preferences": preferences, "version": version})
            if messages := await self._put(replace(target, row=row, version=version)):
                return messages
            newer = await self._current(target)
            if newer is None:
                return []
            current = newer
        raise Unavailable("the row is being changed too often by other writers; retry later")

    async def _put(self, change: RowChange) -> list[Message]:
        """Store the row; return its message, or none where a newer row is stored.

        Unlike `TableWriter`, this stores before it publishes: the record is committed only after the message is
        acknowledged, so a worker that stops in between reads the record again and publishes then.
        """
        return [] if await apply_changes(self._stores, [change]) else [self._message(change)]

    async def _current(self, change: RowChange) -> Recipient | Contact | None:
        row = (await stored_rows(self._stores, [change])).get((change.table, change.key))
        return row if isinstance(row, Recipient | Contact) else None

    def _message(self, change: RowChange) -> Message:
        assert isinstance(change.row, Recipient | Contact)
        return Message(self._topics.table(change.table), change.key.encode(), row_bytes(change.row))

    def _split_key(self, record: Record) -> tuple[str, NotificationType, str]:
        """Return row key, type and channel of a record's key. Raise InvalidEvent."""
        parts = record_key(record).rsplit("|", 2)
        if len(parts) != 3 or not parts[0]:
            raise bad_field("key", "must be recipient|type|channel")
        row_key, type_name, channel = parts
        notification_type = self._catalogue.get(type_name)
        if notification_type is None or notification_type.name != type_name:
            raise bad_field("type", "is not in the catalogue")
        if channel not in notification_type.channels:
            raise bad_field("channel", "is not a channel of the type")
        if len(row_key) > 128 and "|" not in row_key:
            raise bad_field("recipient", "is longer than 128 characters")
        return row_key, notification_type, channel


def preserve_choices(change: RowChange, current: Recipient | Contact) -> RowChange:
    """Return the change with the applied choices of the stored row that its own row lacks, newer than both rows.

    Return the same object where there is no such choice, or where the stored row is not older.
    """
    row = change.row
    if not isinstance(row, Recipient | Contact) or current.version >= change.version:
        return change
    applied = {
        key: choice
        for key, choice in current.preferences.items()
        if choice.by in (BY_RECORD, BY_TOMBSTONE) and key not in row.preferences
    }
    if not applied:
        return change
    version = change.version + 1
    merged = row.model_copy(update={"preferences": {**row.preferences, **applied}, "version": version})
    return replace(change, row=merged, version=version)


def _targets(row_key: str) -> list[RowChange]:
    """Return the rows that a key may name, without content; a recipient id may contain `|` too."""
    contact = [RowChange("contacts", row_key, None, 0)] if "|" in row_key else []
    return [*contact, RowChange("recipients", row_key, None, 0)]


def _lock(change: RowChange) -> str:
    """Return the name of the lock that `TableWriter` holds for this row."""
    return (
        f"account:{change.contact_key.account}" if change.table == "contacts" else f"recipient:{change.key}"
    )


class _Stated(NamedTuple):
    """What a record says. `whole`: it says the frequency, too; else the one that is set stays."""

    choice: Choice
    whole: bool

    def over(self, known: Choice | None) -> Choice:
        """Return the choice in place of a stored one."""
        if self.whole or known is None:
            return self.choice
        return self.choice.model_copy(update={"frequency": known.frequency})


def _stated(record: Record, version: int) -> _Stated:
    if record.value is None:
        return _Stated(Choice(on=True, since_ms=version, by=BY_TOMBSTONE), whole=True)
    document: Any = loads(record.value)
    on = document.get("on") if isinstance(document, dict) else None
    if not isinstance(on, bool):
        raise bad_field("on", "must be true or false")
    frequency = document.get("frequency")
    if frequency is not None and frequency not in list(Frequency):
        raise bad_field("frequency", f"must be one of {', '.join(Frequency)}, or null for that of the type")
    choice = Choice(on=on, since_ms=version, by=BY_RECORD, frequency=frequency and Frequency(frequency))
    return _Stated(choice, whole="frequency" in document)
