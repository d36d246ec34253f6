"""The import itself: batches, each written whole before the place is remembered."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from service.cli.importing.checking import recipient_of
from service.cli.importing.checkpoint import Checkpoint, ImportCounts
from service.cli.importing.reading import Format, ImportRow, Refusal, rows_of
from service.model.catalogue import Catalogue
from service.model.recipient import Recipient
from service.pipeline.tables.bulk_import import ImportResult

BATCH = 1_000

Put = Callable[[Sequence[Recipient]], Awaitable[ImportResult]]


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """A row that was not imported. `text` is the row itself, with whatever it holds."""

    line: int
    reason: str
    text: str


@dataclass(frozen=True, slots=True)
class Import:
    """`put` writes a batch; `refuse` is told of each refused row, `moved` of each finished batch."""

    path: Path
    form: Format
    catalogue: Catalogue
    put: Put
    refuse: Callable[[RefusedRow], None]
    moved: Callable[[Checkpoint], None]

    async def run(self, begin: Checkpoint) -> Checkpoint:
        """From where it stands to the end of the file. A batch that was cut off is done again, without harm.

        Raises BadFile, OSError, Unavailable.
        """
        at = begin
        for batch in _batches(rows_of(self.path, self.form, begin.place)):
            rows, refused = self._sorted(batch)
            fed = await self.put(rows) if rows else ImportResult()
            for one in refused:
                self.refuse(one)
            at = at.at(batch[-1].after, _add(at.counts, len(batch), fed, len(refused)))
            self.moved(at)
        return at

    def _sorted(self, batch: Sequence[ImportRow]) -> tuple[list[Recipient], list[RefusedRow]]:
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


def _add(counts: ImportCounts, rows: int, fed: ImportResult, refused: int) -> ImportCounts:
    return replace(
        counts,
        rows=counts.rows + rows,
        written=counts.written + fed.written,
        unchanged=counts.unchanged + fed.unchanged,
        newer=counts.newer + fed.newer,
        repeated=counts.repeated + fed.repeated,
        refused=counts.refused + refused,
    )
