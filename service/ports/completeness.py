"""The completeness marker: whether Redis holds everything, so that deliveries may be made."""

from typing import Protocol

ABSENT = "Redis is not complete: run `tocsin rebuild`"
"""Why nothing may be sent where there is no marker: data was lost, or this is a new installation."""

CATCHING_UP = "Redis may have lost its newest data; a worker reads them again from Kafka"
FILLING = "this is a new installation; a worker reads its tables from Kafka"
REBUILDING = "Redis is being rebuilt; if no rebuild is running, run `tocsin rebuild` again"


class Completeness(Protocol):
    """The marker of Redis. A rebuild or a catch-up marks it incomplete before and complete after.

    Every method raises Unavailable.
    """

    async def incomplete(self) -> str | None:
        """Return why nothing may be sent yet; None when the tables are known to be complete."""
        ...

    async def mark_complete(self) -> None:
        """Change the marker, which must be there, to complete.

        Raise Unavailable where it is absent: data were lost since `mark_incomplete`, so nothing vouches for the rest.
        """
        ...

    async def mark_incomplete(self, reason: str) -> None:
        """Mark Redis as incomplete, with the reason."""
        ...
