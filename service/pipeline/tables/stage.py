"""Tables stage: store the rows that the API or upstream systems write to `tables.*` topics in Redis.

In the end the stored row and the last record on the row's topic are the same. So where a record was refused, or a
newer row is stored, the stored row is published again: compaction keeps the last record of a key, not the newest.
"""

from collections.abc import AsyncIterator, Mapping, Sequence

from service.model.event import InvalidEvent
from service.model.recipient import Contact, Recipient, row_bytes
from service.model.record import Done, Message, Record
from service.model.topics import TABLES, TopicNames
from service.pipeline.messages import dead_letter
from service.pipeline.tables.preference_records import PreferenceApplier, preserve_choices
from service.pipeline.tables.records import (
    AHEAD_MS,
    REPUBLISHED,
    RowChange,
    apply_changes,
    newest_changes,
    read_change_in_turn,
    stored_rows,
)
from service.pipeline.tables.schema import RowRefused, read_row
from service.pipeline.tables.writer import TableStores
from service.ports import Clock
from service.ports.turns import Turns

_WITH_PREFERENCES = ("recipients", "contacts")
# A row that is late again, because its version is that of a wrong clock, would else be published for ever.
_REPUBLISHED_HEADERS = ((REPUBLISHED, b"1"),)
_REPUBLISHED = ("recipients", "groups", "contacts", "accounts", "api-keys")


class TablesHandler:
    """Handler of the tables stage."""

    def __init__(
        self, stores: TableStores, preferences: PreferenceApplier, topics: TopicNames, clock: Clock
    ) -> None:
        self._stores = stores
        self._preferences = preferences
        self._topics = topics
        self._clock = clock
        self._table_of: Mapping[str, str] = {topics.table(name): name for name in TABLES}

    async def __call__(self, records: Sequence[Record]) -> AsyncIterator[Done]:
        """Check rows, store those that are newer, then apply preferences to their rows. Raise Unavailable.

        Rows come first: a preference in the same batch as its recipient's first row is then merged into that row.
        """
        changes: list[RowChange] = []
        refused: list[RowChange] = []
        messages: list[Message] = []
        now_ms, turns = self._clock.now_ms(), Turns()
        for record in records:
            table = self._table_of[record.topic]
            if table == "preferences":
                continue
            try:
                changes.append(await read_change_in_turn(table, record, now_ms, turns))
            except InvalidEvent as error:
                messages.append(self._dead_letter(record, error))
                refused.append(RowChange(table, (record.key or b"").decode(errors="replace"), None, 0))
        newest = newest_changes(changes)
        last = {(change.table, change.key): change for change in changes}
        older = [last[c.table, c.key] for c in newest if last[c.table, c.key] is not c]
        messages += await self._store(newest, [*refused, *older])
        for record in records:
            if self._table_of[record.topic] == "preferences":
                try:
                    messages += await self._preferences.apply(record)
                except InvalidEvent as error:
                    messages.append(self._dead_letter(record, error))
        yield Done(records, messages)

    async def _store(self, changes: Sequence[RowChange], outdated: Sequence[RowChange]) -> list[Message]:
        """Store rows; return the messages that make the stored row the last record of its key.

        `outdated`: changes that are the last record of their key now and are not stored, being refused or older.
        """
        stored = await stored_rows(self._stores, [c for c in changes if c.table in _WITH_PREFERENCES])
        plain: list[RowChange] = []
        messages: list[Message] = []
        for change in changes:
            current = stored.get((change.table, change.key))
            if isinstance(current, Recipient | Contact) and preserve_choices(change, current) is not change:
                messages += await self._preferences.merge(change)
            else:
                plain.append(change)
        late = await apply_changes(self._stores, plain)
        return messages + await self._republish(
            [c for c in (*late, *outdated) if c.table in _REPUBLISHED and not c.republished]
        )

    async def _republish(self, changes: Sequence[RowChange]) -> list[Message]:
        """Return a message for each change with the stored row in its place, or a tombstone where none is stored."""
        stored = await stored_rows(self._stores, changes)
        latest_ms = self._clock.now_ms() + AHEAD_MS
        messages = []
        for change in changes:
            topic, key = self._topics.table(change.table), change.key.encode()
            if row := stored.get((change.table, change.key)):
                headers = _REPUBLISHED_HEADERS if row.version > latest_ms else ()
                if _is_valid(change.table, value := row_bytes(row)):
                    messages.append(Message(topic, key, value, headers))
            elif change.row is not None:  # a newer tombstone has deleted the row
                messages.append(Message(topic, key, None, (("version", str(change.version).encode()),)))
        return messages

    def _dead_letter(self, record: Record, error: InvalidEvent) -> Message:
        return dead_letter(self._topics.dead_letter, "tables", record, error)


def _is_valid(table: str, value: bytes) -> bool:
    """Return whether this stage would accept the row; one that it refuses and publishes again would loop forever."""
    try:
        read_row(table, value)
    except RowRefused:
        return False
    return True
