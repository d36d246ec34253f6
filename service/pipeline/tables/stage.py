"""Tables: rows that writers of ours or upstream systems put on `tables.*` come to stand in Redis.

What stands in Redis and what stands last on a row's topic are the same in the end. So a record that was refused, or
that found something newer, is followed there by the row that stands: compaction keeps the last record, not the newest.
"""

from collections.abc import AsyncIterator, Mapping, Sequence

from service.model.event import InvalidEvent
from service.model.recipient import Contact, Recipient, row_bytes
from service.model.record import Done, Message, Record
from service.model.topics import TABLES, TopicNames
from service.pipeline.messages import dead_letter
from service.pipeline.tables.preference_records import PreferenceApplier, carried
from service.pipeline.tables.records import RowChange, newest, put_changes, read_change, standing_rows
from service.pipeline.tables.schema import RowRefused, read_row
from service.pipeline.tables.writer import TableStores

_WITH_PREFERENCES = ("recipients", "contacts")
_RESTATED = ("recipients", "groups", "contacts", "accounts", "api-keys")


class TablesHandler:
    """The handler of the tables stage."""

    def __init__(self, stores: TableStores, preferences: PreferenceApplier, topics: TopicNames) -> None:
        self._stores = stores
        self._preferences = preferences
        self._topics = topics
        self._table_of: Mapping[str, str] = {topics.table(name): name for name in TABLES}

    async def __call__(self, records: Sequence[Record]) -> AsyncIterator[Done]:
        """Check, write what is newer, then fold preferences into their rows. Raises Unavailable."""
        changes: list[RowChange] = []
        refused: list[RowChange] = []
        messages: list[Message] = []
        for record in records:
            table = self._table_of[record.topic]
            if table == "preferences":
                continue
            try:
                changes.append(read_change(table, record))
            except InvalidEvent as error:
                messages.append(self._letter(record, error))
                refused.append(RowChange(table, (record.key or b"").decode(errors="replace"), None, 0))
        rows = newest(changes)
        last = {(change.table, change.key): change for change in changes}
        overtaken = [c for c in rows if last[c.table, c.key] is not c]
        messages += await self._write(rows, [*refused, *(last[c.table, c.key] for c in overtaken)])
        for record in records:
            if self._table_of[record.topic] == "preferences":
                try:
                    messages += await self._preferences.apply(record)
                except InvalidEvent as error:
                    messages.append(self._letter(record, error))
        yield Done(records, messages)

    async def _write(self, changes: Sequence[RowChange], wrong: Sequence[RowChange]) -> list[Message]:
        """Write rows; the messages that put their topics right, also after what is `wrong` there."""
        standing = await standing_rows(self._stores, [c for c in changes if c.table in _WITH_PREFERENCES])
        plain: list[RowChange] = []
        messages: list[Message] = []
        for change in changes:
            stands = standing.get((change.table, change.key))
            if isinstance(stands, Recipient | Contact) and carried(change, stands) is not change:
                messages += await self._preferences.merge(change)
            else:
                plain.append(change)
        late = await put_changes(self._stores, plain)
        return messages + await self._restate([c for c in (*late, *wrong) if c.table in _RESTATED])

    async def _restate(self, changes: Sequence[RowChange]) -> list[Message]:
        """What stands instead of these, as the last record of its key."""
        standing = await standing_rows(self._stores, changes)
        messages = []
        for change in changes:
            topic, key = self._topics.table(change.table), change.key.encode()
            if row := standing.get((change.table, change.key)):
                if _readable(change.table, value := row_bytes(row)):
                    messages.append(Message(topic, key, value))
            elif change.row is not None:  # it was deleted by something newer
                messages.append(Message(topic, key, None, (("version", str(change.version).encode()),)))
        return messages

    def _letter(self, record: Record, error: InvalidEvent) -> Message:
        return dead_letter(self._topics.dead_letter, "tables", record, error)


def _readable(table: str, value: bytes) -> bool:
    """Whether this stage would take it: what it refuses and writes again would go round for ever."""
    try:
        read_row(table, value)
    except RowRefused:
        return False
    return True
