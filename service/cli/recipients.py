"""`tocsin recipients import`: fills the recipients table from a file."""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import orjson
import typer

from service.cli.importing.checkpoint import Checkpoint, beside, fresh, saved
from service.cli.importing.reading import BadFile, Format
from service.cli.support.factories import kafka_of, require_topic
from service.cli.support.output import CliError, console, json_line, print_note, print_text
from service.ports import Unavailable
from service.settings import Settings, load

if TYPE_CHECKING:
    from service.bootstrap import Parts
    from service.cli.importing.running import Put, RefusedRow
    from service.model.recipient import Recipient
    from service.pipeline.tables.bulk_import import ImportResult

app = typer.Typer(add_completion=False, no_args_is_help=True)
_SHOWN = 10


@app.callback()
def recipients() -> None:
    """The recipients table."""


@app.command("import")
def load_file(
    *,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="JSON Lines or CSV.")
    ],
    form: Annotated[Format | None, typer.Option("--format", help="By the file's name, unless given.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check every row, write none.")] = False,
    refused: Annotated[
        Path | None, typer.Option(help="Write refused rows to this file, as JSON Lines.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where an earlier import stopped.")] = False,
    checkpoint: Annotated[
        Path | None, typer.Option(help="Where the place is kept; FILE.checkpoint, unless given.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The counts as JSON.")] = False,
) -> None:
    """Import recipients; each row is the whole of one. Harmless when repeated. Exit code 1 when rows were refused."""
    place = checkpoint or beside(file)
    form = form or (Format.csv if file.suffix.lower() == ".csv" else Format.jsonl)
    started = time.monotonic()
    try:
        begin = saved(file, place) if resume else fresh(file)
        with _refusals(refused, append=bool(begin.place.offset)) as refuse, _progress(file) as shown:
            moved = _moved(None if dry_run else place, shown)
            end = asyncio.run(
                _import(file=file, form=form, begin=begin, refuse=refuse, moved=moved, dry_run=dry_run)
            )
    except BadFile as error:
        raise CliError(f"{file}: {error}") from error
    except KeyboardInterrupt:
        print_note("stopped; --resume goes on from the last batch")
        raise typer.Exit(130) from None
    except Unavailable as away:
        raise CliError(away.reason, "" if dry_run else "--resume goes on from the last batch") from away
    if not dry_run:
        place.unlink(missing_ok=True)
    _report(end, time.monotonic() - started, as_json=as_json, dry_run=dry_run)
    if end.counts.refused:
        raise CliError(
            f"{end.counts.refused} of {end.counts.rows} rows were refused",
            "" if refused else "--refused FILE keeps them",
        )


async def _import(
    *,
    file: Path,
    form: Format,
    begin: Checkpoint,
    refuse: "Callable[[RefusedRow], None]",
    moved: Callable[[Checkpoint], None],
    dry_run: bool,
) -> Checkpoint:
    from service.bootstrap import bootstrap
    from service.cli.importing.running import Import

    settings = load()
    parts = bootstrap(settings)
    async with AsyncExitStack() as stack:
        put = _pretend if dry_run else await _feed(settings, parts, stack)
        return await Import(file, form, parts.catalogue, put, refuse, moved).run(begin)


async def _feed(settings: Settings, parts: "Parts", stack: AsyncExitStack) -> "Put":
    """What writes a batch, to the topic and then to Redis."""
    from service.pipeline.tables.bulk_import import RecipientImporter
    from streams.producer.producer import Producer

    connection = kafka_of(settings)
    stack.push_async_callback(parts.store.close)
    await require_topic(connection, parts.topics.table("recipients"))
    producer = Producer(connection)
    stack.push_async_callback(producer.stop)
    return RecipientImporter(parts.tables, parts.writes, producer, parts.topics, parts.clock).put


async def _pretend(rows: "Sequence[Recipient]") -> "ImportResult":
    from service.pipeline.tables.bulk_import import ImportResult

    return ImportResult()


def _moved(place: Path | None, shown: Callable[[Checkpoint], None]) -> Callable[[Checkpoint], None]:
    def moved(at: Checkpoint) -> None:
        if place is not None:
            at.save(place)
        shown(at)

    return moved


@contextmanager
def _refusals(path: Path | None, *, append: bool) -> "Iterator[Callable[[RefusedRow], None]]":
    """Refused rows go to a file whole, and the first few of them, without what they hold, to stderr."""
    count = 0

    def refuse(one: "RefusedRow") -> None:
        nonlocal count
        count += 1
        if count <= _SHOWN:
            print_note(f"line {one.line}: {one.reason}")
        elif count == _SHOWN + 1:
            print_note("and more")
        if file is not None:
            file.write(
                orjson.dumps({"line": one.line, "reason": one.reason, "row": one.text}, default=str) + b"\n"
            )
            file.flush()

    opened = nullcontext(None) if path is None else path.open("ab" if append else "wb")
    with opened as file:
        yield refuse


@contextmanager
def _progress(path: Path) -> Iterator[Callable[[Checkpoint], None]]:
    """A bar on a terminal, nothing elsewhere."""
    from rich.progress import Progress

    err = console(stderr=True)
    with Progress(console=err, disable=not err.is_terminal, transient=True) as progress:
        task = progress.add_task(path.name, total=path.stat().st_size)
        yield lambda at: progress.update(
            task, completed=at.place.offset, description=f"{path.name}, {at.counts.rows} rows"
        )


def _report(end: Checkpoint, seconds: float, *, as_json: bool, dry_run: bool) -> None:
    counts = asdict(end.counts)
    if as_json:
        json_line({**counts, "lines": end.place.line, "seconds": round(seconds, 3), "dry_run": dry_run})
        return
    told = ", ".join(f"{number} {name}" for name, number in counts.items() if name != "rows" and number)
    said = f": {told}" if told else ", all well" if dry_run else ""
    print_text(f"{counts['rows']} rows{said}, in {seconds:.1f} s{'; nothing was written' if dry_run else ''}")
