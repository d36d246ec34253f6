"""Operations of operators, as `dispatch.audit` keeps them. They contain no name or address of a person."""

from collections.abc import Mapping
from enum import StrEnum
from hashlib import blake2b
from typing import Any, NamedTuple

import orjson

from service.model.address import mailbox


def pseudonym(person: str) -> str:
    """Return 24 hex digits for a recipient id or an address: they can be searched for, but not read back.

    Each spelling of an address has the same.
    """
    return blake2b(mailbox(person).encode(), digest_size=12, person=b"operation").hexdigest()


class OperationKind(StrEnum):
    """The kinds of operations on deliveries, dead letters, persons and keys."""

    redrive = "redrive"
    discard = "discard"
    replay = "replay"
    export = "export"
    erase = "erase"
    suppress = "suppress"
    unsuppress = "unsuppress"
    create_key = "create_key"
    revoke_key = "revoke_key"
    reveal = "reveal"
    """Addresses were shown unmasked."""
    cancel = "cancel"
    """Another operation was cancelled."""
    release = "release"
    """What waited for a time was sent at once."""
    retime = "retime"
    """What waited got another time."""
    cancel_due = "cancel_due"
    """What waited was cancelled."""


class OperationPhase(StrEnum):
    """The phases of an operation: `begun` is written before any of it is done, `part` after some, `ended` after all.

    Instead of `ended`: `cancelled` by an operator, or `failed`. Without any of them the operation was cut off.
    """

    begun = "begun"
    part = "part"
    ended = "ended"
    cancelled = "cancelled"
    failed = "failed"


class Operation(NamedTuple):
    """One record of an operation. `items`: the dead letters that this part has settled.

    The filters that select what the operation affects are `filters` in Python and `asked` in the record.
    """

    id: str
    action: OperationKind
    phase: OperationPhase
    who: str
    at_ms: int
    filters: Mapping[str, Any]
    counts: Mapping[str, int]
    items: tuple[str, ...] = ()

    def to_bytes(self) -> bytes:
        """Return the record as JSON without empty fields."""
        return orjson.dumps(
            {
                name: value
                for name, value in zip(OPERATION_WIRE_NAMES, self, strict=True)
                if value or name == "at_ms"
            }
        )

    @classmethod
    def from_bytes(cls, value: bytes) -> "Operation":
        """Return the operation in a record of `dispatch.audit`. Raise ValueError when it holds none."""
        fields: Any = orjson.loads(value)
        if not isinstance(fields, dict):
            raise ValueError("not an operation")
        try:
            return cls(
                str(fields["id"]),
                OperationKind(fields["action"]),
                OperationPhase(fields["phase"]),
                str(fields["who"]),
                int(fields["at_ms"]),
                fields.get("asked", {}),
                fields.get("counts", {}),
                tuple(map(str, fields.get("items", ()))),
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"not an operation: {error}") from error


OPERATION_WIRE_NAMES = tuple({"filters": "asked"}.get(name, name) for name in Operation._fields)
"""The fields as records of `dispatch.audit` name them."""
