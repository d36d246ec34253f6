"""The operations that run in some process: their progress, and the wish that one be cancelled."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class OperationProgress:
    """How far an operation is. `total`: how many items it was to settle when it began; `at_ms`: when this was written.

    `error`: why it failed, without personal data.
    """

    id: str
    total: int
    counts: Mapping[str, int] = field(default_factory=dict)
    at_ms: int = 0
    error: str = ""


class Operations(Protocol):
    """Progress of operations, for other processes. Every method raises Unavailable."""

    async def put(self, progress: OperationProgress) -> bool:
        """Write how far an operation is; kept for a week. Return whether an operator wants it to be cancelled."""
        ...

    async def progress(self, ids: Sequence[str]) -> Sequence[OperationProgress | None]:
        """Return how far each operation is; None where that is not known."""
        ...

    async def cancel(self, id_: str) -> None:
        """Note that the operation is to be cancelled; a process that runs it sees that with its next `put`."""
        ...
