"""The completeness marker: whether Redis holds everything, so that deliveries may be made."""

from typing import Protocol

ABSENT = "Redis is not complete: run `tocsin rebuild`"
"""Why nothing may be sent where there is no marker: data was lost, or this is a new installation."""


class Completeness(Protocol):
    """The marker that a rebuild or a new installation sets. Every method raises Unavailable."""

    async def incomplete(self) -> str | None:
        """Return why nothing may be sent yet; None when the tables are known to be complete."""
        ...

    async def unmarked(self) -> bool:
        """Return whether there is no marker at all: a new installation, or lost data."""
        ...

    async def mark_complete(self) -> None:
        """Mark Redis as complete."""
        ...

    async def mark_incomplete(self, reason: str) -> None:
        """Mark Redis as incomplete, with the reason."""
        ...
