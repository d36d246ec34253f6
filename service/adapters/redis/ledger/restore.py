"""The ledger as a rebuild writes it: rows are read, arranged with the steps of the log, and written back."""

from collections.abc import Sequence
from typing import NamedTuple

from service.adapters.redis.client import Store
from service.adapters.redis.ledger.ledger import RedisLedger
from service.adapters.redis.ledger.places import by_event
from service.adapters.redis.ledger.rows import entry_of, restored_row, step_list, steps_in
from service.adapters.redis.script_batch import Arg, Piece, Script, ScriptBatch, chunks
from service.model.ledger import Entry, NewEntry
from service.model.restored_history import LoggedDelivery, arrange
from service.ports import EventHead, Unavailable

_RESTORE = Script("ledger_functions", "ledger_restore", complete_only=True)
_ATTEMPTS = 10
_WRITTEN, _NOT_HELD = b"1", b"-"


class _StoredRow(NamedTuple):
    """A row and its left-over steps as they are stored; both empty for a delivery that is not there."""

    row: bytes = b""
    left_over: bytes = b""


class RedisLedgerRestore:
    """Implements the LedgerRestore port."""

    def __init__(self, store: Store, ledger: RedisLedger) -> None:
        self._store = store
        self._ledger = ledger

    async def restore(
        self, heads: Sequence[EventHead], logged: Sequence[LoggedDelivery]
    ) -> Sequence[Entry | None]:
        """Arrange and write rows; read again those that were changed meanwhile, ten times. Raise Unavailable.

        A row is written only where it differs, so history that is read again costs reads alone.
        """
        if heads:  # before the rows, which end with their head
            await self._ledger.open(heads, [])
        entries: list[Entry | None] = [None] * len(logged)
        stored = await self._read(logged)
        pending = [(i, row) for i, row in enumerate(stored) if isinstance(row, _StoredRow)]
        for _ in range(_ATTEMPTS):
            changed: list[tuple[int, _StoredRow, _StoredRow]] = []
            for i, row in pending:
                new = _arranged(logged[i], row)
                entries[i] = entry_of(logged[i].event, logged[i].delivery, new.row)
                if new != row:
                    changed.append((i, row, new))
            if not changed:
                return entries
            answers = await self._run(
                [logged[i] for i, _, _ in changed],
                [new for *_, new in changed],
                [row for _, row, _ in changed],
            )
            await self._index([logged[i] for i, row, _ in changed if not row.row], entries)
            pending = [
                (i, answer)
                for (i, _, _), answer in zip(changed, answers, strict=True)
                if isinstance(answer, _StoredRow)
            ]
        raise Unavailable("redis: rows of the ledger change while they are restored")

    async def restored(self, deliveries: Sequence[tuple[str, str]]) -> Sequence[Entry | None]:
        """Return each (event, delivery) as it is now; None for one that the ledger does not hold."""
        logged = [LoggedDelivery(event, delivery, "", "", "", "", 0) for event, delivery in deliveries]
        stored = await self._read(logged)
        return [
            entry_of(one.event, one.delivery, row.row) if isinstance(row, _StoredRow) and row.row else None
            for one, row in zip(logged, stored, strict=True)
        ]

    async def _index(self, logged: Sequence[LoggedDelivery], entries: Sequence[Entry | None]) -> None:
        """Add new deliveries to the ledger's index by recipient, under the time of their first step."""
        since = {entry.delivery: entry.steps[-1] for entry in entries if entry is not None}
        new_entries = [
            NewEntry(
                one.event, one.delivery, one.recipient, one.channel, first.state, first.reason, first.at_ms
            )
            for one in logged
            if (first := since.get(one.delivery)) is not None
        ]
        if new_entries:
            await self._ledger.index_by_recipient(new_entries)

    async def _read(self, logged: Sequence[LoggedDelivery]) -> list[_StoredRow | None]:
        """Return the rows that are stored; None for one of an event that is not held."""
        nothing = [_StoredRow()] * len(logged)
        return await self._run(logged, nothing, nothing)

    async def _run(
        self, logged: Sequence[LoggedDelivery], new: Sequence[_StoredRow], before: Sequence[_StoredRow]
    ) -> list[_StoredRow | None]:
        """Return the rows that are stored where nothing was written; None for what was written or is not held."""
        if not logged:
            return []
        pieces: dict[str, list[Piece]] = {}
        for event, items in by_event(one.event for one in logged).items():
            place = self._ledger.place(event)
            for part in chunks(items):
                args: list[Arg] = [place.head, len(part)]
                for i in part:
                    args += (place.row(logged[i].delivery), before[i].row, before[i].left_over, *new[i])
                pieces.setdefault(place.shard, []).append((part, args))
        batch = ScriptBatch(_RESTORE, self._store.cluster)
        batch.add_pieces(pieces)
        answers = (await self._store.run(batch))[0]
        return [None if answer in (_WRITTEN, _NOT_HELD) else _stored_row(answer) for answer in answers]


def _arranged(logged: LoggedDelivery, stored: _StoredRow) -> _StoredRow:
    """Return the row and its left-over steps, with the steps of the log."""
    steps = [*logged.steps, *steps_in(stored.left_over)]
    if stored.row:
        steps += entry_of(logged.event, logged.delivery, stored.row).steps
    history = arrange(steps, logged.since_ms)
    return _StoredRow(restored_row(logged, history.steps, stored.row), step_list(history.left_over))


def _stored_row(answer: bytes) -> _StoredRow:
    size, _, rest = answer.partition(b" ")
    return _StoredRow(rest[: int(size)], rest[int(size) :])
