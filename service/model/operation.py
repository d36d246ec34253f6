"""Operations: what operators did, as `dispatch.audit` keeps it. Nothing in it names a person."""

from collections.abc import Mapping
from enum import StrEnum
from hashlib import blake2b
from typing import Any, NamedTuple

import orjson


def pseudonym(person: str) -> str:
    """24 hex digits for a recipient id or an address: who knows it can find it, and nobody can read it."""
    return blake2b(person.strip().lower().encode(), digest_size=12, person=b"operation").hexdigest()


class OperationKind(StrEnum):
    """What an operator may do to deliveries, dead letters and persons."""

    redrive = "redrive"
    discard = "discard"
    replay = "replay"
    export = "export"
    erase = "erase"
    suppress = "suppress"
    unsuppress = "unsuppress"


class OperationPhase(StrEnum):
    """`begun` is written before anything is done, `part` after some of it, `ended` after all of it."""

    begun = "begun"
    part = "part"
    ended = "ended"


class Operation(NamedTuple):
    """One record of an operation. `asked`: the filter; `items`: the dead letters that this part has settled."""

    id: str
    action: OperationKind
    phase: OperationPhase
    who: str
    at_ms: int
    asked: Mapping[str, Any]
    counts: Mapping[str, int]
    items: tuple[str, ...] = ()

    def to_bytes(self) -> bytes:
        """JSON without empty fields."""
        return orjson.dumps(
            {name: value for name, value in self._asdict().items() if value or name == "at_ms"}
        )

    @classmethod
    def from_bytes(cls, value: bytes) -> "Operation":
        """The operation in a record of `dispatch.audit`. Raises ValueError when it is none."""
        told: Any = orjson.loads(value)
        if not isinstance(told, dict):
            raise ValueError("not an operation")
        try:
            return cls(
                str(told["id"]),
                OperationKind(told["action"]),
                OperationPhase(told["phase"]),
                str(told["who"]),
                int(told["at_ms"]),
                told.get("asked", {}),
                told.get("counts", {}),
                tuple(told.get("items", ())),
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"not an operation: {error}") from error
