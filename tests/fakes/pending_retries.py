"""The notes of a rebuild in memory."""

from collections.abc import Mapping, Sequence


class FakePendingRetries:
    """Implements the PendingRetries port."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, int], int] = {}

    async def note(self, next_ms: Mapping[tuple[str, int], int]) -> None:
        self.kept |= next_ms

    async def noted(self, attempts: Sequence[tuple[str, int]]) -> Sequence[int | None]:
        return [self.kept.get(attempt) for attempt in attempts]

    async def clear(self) -> None:
        self.kept.clear()
