"""A fake of the Operations port."""

from collections.abc import Sequence

from service.ports import OperationProgress


class FakeOperations:
    """Progress in a dict."""

    def __init__(self) -> None:
        self._progress: dict[str, OperationProgress] = {}
        self._cancelled: set[str] = set()

    async def put(self, progress: OperationProgress) -> bool:
        """Keep how far an operation is."""
        self._progress[progress.id] = progress
        return progress.id in self._cancelled

    async def progress(self, ids: Sequence[str]) -> Sequence[OperationProgress | None]:
        """Return what was put last."""
        return [self._progress.get(id_) for id_ in ids]

    async def cancel(self, id_: str) -> None:
        """Note the wish."""
        self._cancelled.add(id_)
