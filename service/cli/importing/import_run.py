"""The import itself: batches, each written completely before its checkpoint is reported."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from service.cli.importing.checkpoint import Checkpoint, ImportCounts
from service.cli.importing.row_reader import Format, ImportRow, Refusal, read_rows
from service.cli.importing.row_validation import recipient_of
from service.model.catalogue import Catalogue
from service.model.recipient import Recipient
from service.pipeline.tables.bulk_import import ImportResult

BATCH = 1_000

WriteBatch = Callable[[Sequence[Recipient]], Awaitable[ImportResult]]


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """A row that was not imported. `text`: the row itself, with all its values."""

    line: int
    reason: str
    text: str


@dataclass(frozen=True, slots=True)
class Import:
    """An import. `on_refused` is called with each refused row, `on_batch` with the checkpoint after each batch."""

    path: Path
    format: Format
    catalogue: Catalogue
    write: WriteBatch
    on_refused: Callable[[RefusedRow], None]
    on_batch: Callable[[Checkpoint], None]

    async def run(self, begin: Checkpoint) -> Checkpoint:
        """Import from a checkpoint to the end of the file and return the last checkpoint.

        Raise BadFile, OSError, Unavailable. A batch that was interrupted is written again, which changes nothing.
        """
        checkpoint = begin
        for batch in _batches(read_rows(self.path, self.format, begin.place)):
            rows, refused = self._check(batch)
            # Write before the checkpoint: in the other order a crash in between would lose the batch.
            result = await self.write(rows) if rows else ImportResult()
            for refused_row in refused:
                self.on_refused(refused_row)
            counts = _add(checkpoint.counts, len(batch), result, len(refused))
            checkpoint = checkpoint.advance(batch[-1].after, counts)
            self.on_batch(checkpoint)
        return checkpoint

    def _check(self, batch: Sequence[ImportRow]) -> tuple[list[Recipient], list[RefusedRow]]:
        rows: list[Recipient] = []
        refused: list[RefusedRow] = []
        for row in batch:
            try:
                if isinstance(row.fields, Refusal):
                    raise row.fields
                rows.append(recipient_of(row.fields, self.catalogue))
            except Refusal as reason:
                refused.append(RefusedRow(row.line, str(reason), row.text))
        return rows, refused


def _batches(rows: Iterator[ImportRow]) -> Iterator[list[ImportRow]]:
    while batch := list(islice(rows, BATCH)):
        yield batch


def _add(counts: ImportCounts, rows: int, result: ImportResult, refused: int) -> ImportCounts:
    return replace(
        counts,
        rows=counts.rows + rows,
        written=counts.written + result.written,
        unchanged=counts.unchanged + result.unchanged,
        newer=counts.newer + result.newer,
        repeated=counts.repeated + result.repeated,
        refused=counts.refused + refused,
    )
