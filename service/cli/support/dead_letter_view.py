"""A dead letter as a row, as a document, and as text."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from service.cli.support.cells import plural
from service.cli.support.output import print_data, print_text, print_wrapped, time_format
from service.cli.support.times import iso
from service.model.mask import mask_text

if TYPE_CHECKING:
    from service.model.dead_letter import DeadLetter
    from service.pipeline.operate.dead_letters import KnownDeadLetter


def dead_letter_row(known: "KnownDeadLetter") -> dict[str, Any]:
    """Return a dead letter's row in a listing, without personal data."""
    from service.pipeline.operate.dead_letters import status_name

    dead_letter, status = known
    row: dict[str, Any] = {
        "id": dead_letter.id,
        "time": iso(dead_letter.record.timestamp_ms),
        "state": status_name(status),
        "reason": dead_letter.reason,
        "type": dead_letter.type,
        "stage": dead_letter.stage,
        "topic": dead_letter.topic,
        "place": dead_letter.place,
        "detail": mask_text(dead_letter.detail),
    }
    return row if status is None else row | {"by": status.operator, "at": iso(status.at_ms)}


def print_dead_letter(dead_letter: "DeadLetter", document: dict[str, Any], *, utc: bool) -> None:
    """Print a dead letter's document: its fields, its headers, and its original bytes."""
    times, hanging = time_format(utc=utc), " " * 11
    headers: Mapping[str, str] = document.pop("headers")
    value = document.pop("value")
    for name, field in document.items():
        text = times.of_text(field) if name in ("time", "at") else "" if field is None else field
        print_data(f"{name:<10} {text}", hanging=hanging)
    for name, header in headers.items():
        print_data(f"header     {name}: {header}", hanging=hanging)
    size = plural(len(dead_letter.record.value or b""), "byte")
    if dead_letter.partial:
        whole = (
            "a batch that cannot be read" if dead_letter.size is None else plural(dead_letter.size, "byte")
        )
        print_wrapped(f"the first {size} of {whole}; the whole is in {dead_letter.topic}", hanging="  ")
    else:
        print_text("no value" if value is None else size)
    if value is not None:
        print_data(value)


def dead_letter_document(known: "KnownDeadLetter") -> dict[str, Any]:
    """Return a dead letter with its original bytes as text; addresses are not masked."""
    dead_letter = known.dead_letter
    key, value = dead_letter.record.key, dead_letter.record.value
    return {
        **dead_letter_row(known),
        "key": None if key is None else _decode(key),
        "headers": {name: _decode(header or b"") for name, header in dead_letter.headers},
        "value": None if value is None else _decode(value),
        **({"partial": True, "size": dead_letter.size} if dead_letter.partial else {}),
    }


def _decode(value: bytes) -> str:
    return value.decode("utf-8", "backslashreplace")
