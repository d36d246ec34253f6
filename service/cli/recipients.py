"""`tocsin recipients import`: import recipients from a file."""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import orjson
import typer

from service.cli.importing.checkpoint import Checkpoint, checkpoint_path, load_checkpoint, new_checkpoint
from service.cli.importing.row_reader import BadFile, Format
from service.cli.support.cells import grouped, plural
from service.cli.support.factories import kafka_connection, require_topic
from service.cli.support.output import CliError, json_line, print_note, print_wrapped
from service.cli.support.progress import ProgressLine, progress
from service.ports import Unavailable
from service.settings import Settings, load

if TYPE_CHECKING:
    from service.bootstrap.parts import Parts
    from service.cli.importing.import_run import RefusedRow, WriteBatch
    from service.model.recipient import Recipient
    from service.pipeline.tables.bulk_import import ImportResult

app = typer.Typer(add_completion=False, no_args_is_help=True)
_MAX_REFUSALS_SHOWN = 10


@app.callback()
def recipients() -> None:
    """Import recipients from a file."""


@app.command("import")
def load_file(
    *,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="JSON Lines or CSV.")
    ],
    file_format: Annotated[
        Format | None, typer.Option("--format", help="Format; default: by the file's name.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check every row and write none.")] = False,
    refused: Annotated[
        Path | None, typer.Option(help="Write refused rows to this file, as JSON Lines.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue an import that was stopped.")] = False,
    checkpoint: Annotated[
        Path | None, typer.Option(help="The checkpoint file; default: FILE.checkpoint.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,
) -> None:
    """Import recipients; a row replaces its recipient as a whole. Idempotent. Exit code 1 when rows are refused."""
    saved_to = checkpoint or checkpoint_path(file)
    file_format = file_format or (Format.csv if file.suffix.lower() == ".csv" else Format.jsonl)
    started_s = time.monotonic()
    try:
        begin = load_checkpoint(file, saved_to) if resume else new_checkpoint(file)
        with (
            progress(file.name) as line,
            _refusals(refused, line, append=bool(begin.place.offset)) as on_refused,
        ):
            on_batch = _on_batch(None if dry_run else saved_to, line, file.stat().st_size)
            run = _import(
                file=file,
                file_format=file_format,
                begin=begin,
                on_refused=on_refused,
                on_batch=on_batch,
                dry_run=dry_run,
            )
            end = asyncio.run(run)
    except BadFile as error:
        raise CliError(f"{file}: {error}") from error
    except KeyboardInterrupt:
        print_note("stopped; --resume continues after the last batch")
        raise typer.Exit(130) from None
    except Unavailable as unavailable:
        remedy = "" if dry_run else "--resume continues after the last batch"
        raise CliError(unavailable.reason, remedy) from unavailable
    if not dry_run:
        saved_to.unlink(missing_ok=True)
    _report(end, time.monotonic() - started_s, as_json=as_json, dry_run=dry_run)
    if end.counts.refused:
        raise CliError(
            f"{grouped(end.counts.refused)} of {plural(end.counts.rows, 'row')} were refused",
            "" if refused else "--refused FILE writes them to a file",
        )


async def _import(
    *,
    file: Path,
    file_format: Format,
    begin: Checkpoint,
    on_refused: "Callable[[RefusedRow], None]",
    on_batch: Callable[[Checkpoint], None],
    dry_run: bool,
) -> Checkpoint:
    from service.bootstrap.parts import bootstrap
    from service.cli.importing.import_run import Import

    settings = load()
    parts = bootstrap(settings)
    async with AsyncExitStack() as stack:
        write = _write_nothing if dry_run else await _importer(settings, parts, stack)
        return await Import(file, file_format, parts.catalogue, write, on_refused, on_batch).run(begin)


async def _importer(settings: Settings, parts: "Parts", stack: AsyncExitStack) -> "WriteBatch":
    """Return the function that writes a batch to the topic and then to Redis."""
    from service.pipeline.tables.bulk_import import RecipientImporter
    from streams.producer.producer import Producer

    connection = kafka_connection(settings)
    stack.push_async_callback(parts.store.close)
    await require_topic(connection, parts.topics.table("recipients"))
    producer = Producer(connection)
    stack.push_async_callback(producer.stop)
    return RecipientImporter(parts.tables, parts.writes, producer, parts.topics, parts.clock).put


async def _write_nothing(rows: "Sequence[Recipient]") -> "ImportResult":
    from service.pipeline.tables.bulk_import import ImportResult

    return ImportResult()


def _on_batch(path: Path | None, line: ProgressLine, size_bytes: int) -> Callable[[Checkpoint], None]:
    """Return a function that saves a checkpoint to the path, if there is one, and shows how far the import is."""

    def on_batch(checkpoint: Checkpoint) -> None:
        if path is not None:
            checkpoint.save(path)
        percent = 100 * checkpoint.place.offset // max(size_bytes, 1)
        line.show(f"{plural(checkpoint.counts.rows, 'row')}, {percent} %")

    return on_batch


@contextmanager
def _refusals(
    path: Path | None, line: ProgressLine, *, append: bool
) -> "Iterator[Callable[[RefusedRow], None]]":
    """Write refused rows to a file, and the line and reason of the first ones, without their values, to stderr."""
    count = 0

    def on_refused(row: "RefusedRow") -> None:
        nonlocal count
        count += 1
        line.clear()
        if count <= _MAX_REFUSALS_SHOWN:
            print_note(f"line {row.line}: {row.reason}")
        elif count == _MAX_REFUSALS_SHOWN + 1:
            print_note("further refused rows are not listed")
        if file is not None:
            file.write(
                orjson.dumps({"line": row.line, "reason": row.reason, "row": row.text}, default=str) + b"\n"
            )
            file.flush()

    opened = nullcontext(None) if path is None else path.open("ab" if append else "wb")
    with opened as file:
        yield on_refused


def _report(end: Checkpoint, duration_s: float, *, as_json: bool, dry_run: bool) -> None:
    counts = asdict(end.counts)
    if as_json:
        json_line({**counts, "lines": end.place.line, "seconds": round(duration_s, 3), "dry_run": dry_run})
        return
    results = ", ".join(
        f"{grouped(number)} {name}" for name, number in counts.items() if name != "rows" and number
    )
    summary = f": {results}" if results else ", all valid" if dry_run else ""
    end_note = "; nothing was written" if dry_run else ""
    line = f"{plural(counts['rows'], 'row')}{summary}, in {duration_s:.1f} s{end_note}"
    print_wrapped(line, hanging="  ")
