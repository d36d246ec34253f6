"""Progress of an import, in a small file beside its input, so that a stopped import can resume."""

import os
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from pathlib import Path

import orjson

from service.cli.importing.row_reader import BadFile, FilePlace

_HASHED_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class ImportCounts:
    """Rows so far. `newer`: skipped because the stored row is newer; `repeated`: repeated within one batch."""

    rows: int = 0
    written: int = 0
    unchanged: int = 0
    newer: int = 0
    repeated: int = 0
    refused: int = 0


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Progress of an import. `file`: size and hash of the input's beginning, to detect another file of that name."""

    file: str
    place: FilePlace = field(default_factory=FilePlace)
    counts: ImportCounts = field(default_factory=ImportCounts)

    def save(self, path: Path) -> None:
        """Replace the file atomically: after a crash it holds the previous checkpoint or this one. Raise OSError."""
        new = path.with_name(path.name + ".new")
        new.write_bytes(orjson.dumps(asdict(self)))
        new.replace(path)

    def advance(self, place: FilePlace, counts: ImportCounts) -> "Checkpoint":
        """Return the checkpoint of the same import at a later place."""
        return replace(self, place=place, counts=counts)


def checkpoint_path(file: Path) -> Path:
    """Return the default path of an input's checkpoint."""
    return file.with_name(file.name + ".checkpoint")


def new_checkpoint(path: Path) -> Checkpoint:
    """Return a checkpoint at the beginning of the input. Raise OSError."""
    with path.open("rb") as file:
        digest = sha256(file.read(_HASHED_BYTES)).hexdigest()
        return Checkpoint(f"{os.fstat(file.fileno()).st_size}-{digest[:32]}")


def load_checkpoint(path: Path, checkpoint: Path) -> Checkpoint:
    """Return the saved checkpoint of an input, or one at its beginning when none is saved.

    Raise BadFile when the checkpoint cannot be read or is of another input. Raise OSError.
    """
    begin = new_checkpoint(path)
    if not checkpoint.exists():
        return begin
    try:
        fields = orjson.loads(checkpoint.read_bytes())
        saved = Checkpoint(fields["file"], FilePlace(**fields["place"]), ImportCounts(**fields["counts"]))
    except (ValueError, KeyError, TypeError) as error:
        raise BadFile(f"{checkpoint} is not a checkpoint") from error
    if saved.file != begin.file:
        raise BadFile(f"{checkpoint} was made for another file, or the file has changed since")
    return saved
