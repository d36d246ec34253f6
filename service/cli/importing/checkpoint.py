"""Where an import stands, in a small file beside its input, so that a stopped one goes on."""

import os
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from pathlib import Path

import orjson

from service.cli.importing.reading import BadFile, FilePlace

_HEAD = 64 * 1024


@dataclass(frozen=True, slots=True)
class ImportCounts:
    """Rows so far. `newer`: left alone because a newer row stands; `repeated`: came again close by."""

    rows: int = 0
    written: int = 0
    unchanged: int = 0
    newer: int = 0
    repeated: int = 0
    refused: int = 0


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """`file` tells the input from another of the same name."""

    file: str
    place: FilePlace = field(default_factory=FilePlace)
    counts: ImportCounts = field(default_factory=ImportCounts)

    def save(self, path: Path) -> None:
        """Replace the file at once, so that a crash leaves the one before or this one. Raises OSError."""
        new = path.with_name(path.name + ".new")
        new.write_bytes(orjson.dumps(asdict(self)))
        new.replace(path)

    def at(self, place: FilePlace, counts: ImportCounts) -> "Checkpoint":
        """The same import, further on."""
        return replace(self, place=place, counts=counts)


def beside(path: Path) -> Path:
    """The checkpoint of an input."""
    return path.with_name(path.name + ".checkpoint")


def fresh(path: Path) -> Checkpoint:
    """An import of this input from its beginning. Raises OSError."""
    with path.open("rb") as file:
        head = sha256(file.read(_HEAD)).hexdigest()
        return Checkpoint(f"{os.fstat(file.fileno()).st_size}-{head[:32]}")


def saved(path: Path, checkpoint: Path) -> Checkpoint:
    """The import of this input as it was left; from the beginning where nothing was. Raises BadFile, OSError."""
    begin = fresh(path)
    if not checkpoint.exists():
        return begin
    try:
        kept = orjson.loads(checkpoint.read_bytes())
        found = Checkpoint(kept["file"], FilePlace(**kept["place"]), ImportCounts(**kept["counts"]))
    except (ValueError, KeyError, TypeError) as error:
        raise BadFile(f"{checkpoint} is no checkpoint") from error
    if found.file != begin.file:
        raise BadFile(f"the file is not the one that {checkpoint} was made for")
    return found
