"""The import itself: batches, each written whole before the place is remembered."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from service.cli.importing.checking import recipient_of
from service.cli.importing.checkpoint import Checkpoint, Counts
from service.cli.importing.reading import Format, Refusal, Row, rows_of
from service.model.catalogue import Catalogue
from service.model.recipient import Recipient
from service.pipeline.tables.bulk_import import Fed

BATCH = 1_000

Put = Callable[[Sequence[Recipient]], Awaitable[Fed]]


@dataclass(frozen=True, slots=True)
class Refused:
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
    refuse: Callable[[Refused], None]
    moved: Callable[[Checkpoint], None]

    async def run(self, begin: Checkpoint) -> Checkpoint:
        """From where it stands to the end of the file. A batch that was cut off is done again, without harm.

        Raises BadFile, OSError, Unavailable.
        """
        at = begin
        for batch in _batches(rows_of(self.path, self.form, begin.place)):
            rows, refused = self._sorted(batch)
            fed = await self.put(rows) if rows else Fed()
            for one in refused:
                self.refuse(one)
            at = at.at(batch[-1].after, _add(at.counts, len(batch), fed, len(refused)))
            self.moved(at)
        return at

    def _sorted(self, batch: Sequence[Row]) -> tuple[list[Recipient], list[Refused]]:
        rows: list[Recipient] = []
        refused: list[Refused] = []
        for row in batch:
            try:
                if isinstance(row.fields, Refusal):
                    raise row.fields
                rows.append(recipient_of(row.fields, self.catalogue))
            except Refusal as reason:
                refused.append(Refused(row.line, str(reason), row.text))
        return rows, refused


def _batches(rows: Iterator[Row]) -> Iterator[list[Row]]:
    while batch := list(islice(rows, BATCH)):
        yield batch


def _add(counts: Counts, rows: int, fed: Fed, refused: int) -> Counts:
    return replace(
        counts,
        rows=counts.rows + rows,
        written=counts.written + fed.written,
        unchanged=counts.unchanged + fed.unchanged,
        newer=counts.newer + fed.newer,
        repeated=counts.repeated + fed.repeated,
        refused=counts.refused + refused,
    )
