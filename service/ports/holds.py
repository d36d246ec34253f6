"""What mail waits for: room within the limits of its recipient, and the window of a digest."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from service.model.catalogue import Lane
from service.model.delivery import Delivery
from service.model.holds.digest import DigestItem


class MailAllowance(NamedTuple):
    """The most mails that a recipient may get an hour and a day: of all types, and of this one; 0 for no limit."""

    hour: int = 0
    day: int = 0
    type_hour: int = 0
    type_day: int = 0


class LimitedMail(NamedTuple):
    """A mail about to be sent. `exempt`: it is counted, and never held."""

    recipient: str
    delivery: str
    type: str
    lane: Lane
    allowance: MailAllowance
    exempt: bool = False


class MailLimits(Protocol):
    """The counts of mails by recipient, for the limits of an hour and a day before any moment. Raises Unavailable."""

    async def take(self, mails: Sequence[LimitedMail], now_ms: int) -> Sequence[int]:
        """Count mails, each once however often it is taken. Return 0 for each that may be sent now.

        For any other, return when there will be room (ms). Of those that wait, the ones of a higher lane get room
        first, and within a lane the ones that came first; the times are such that few come in vain.
        """
        ...

    async def room(self, mails: Sequence[LimitedMail], now_ms: int) -> Sequence[int]:
        """Return what `take` would, and count nothing: for what-if."""
        ...

    async def give_back(self, mails: Sequence[tuple[str, str]]) -> None:
        """Free the room of (recipient, delivery) pairs that are not sent, and end their waiting."""
        ...

    async def restore(self, mails: Sequence[LimitedMail], sent_ms: Sequence[int]) -> None:
        """Count mails that were sent at these times (ms), in any order, for a rebuild. Nothing is held for it."""
        ...


class DigestPlace(NamedTuple):
    """The digest that an item is in: its delivery id, when its window opened and when it closes (ms).

    `opened`: this item has opened it.
    """

    digest: str
    opened_ms: int
    due_ms: int
    opened: bool


class DigestContent(NamedTuple):
    """The items of a digest, oldest first, and when its window opened (ms)."""

    opened_ms: int
    items: Sequence[Delivery]


class DigestWindows(Protocol):
    """The open windows of digests, one for each recipient and window key, and the items of digests. Raises Unavailable.

    A window takes items until it is sealed, or until it is full: then the next item opens another one. An item that is
    in a window already, sealed or not, stays in it.
    """

    async def add(self, items: Sequence[DigestItem]) -> Sequence[DigestPlace]:
        """Put items into the open windows, opening those that are not there. Return the place of each."""
        ...

    async def seal(self, digests: Sequence[Delivery]) -> Sequence[int]:
        """Close the windows of digests for further items, and return the number of theirs; 0 for one without a window.

        From then on the content stays the same.
        """
        ...

    async def content(self, digests: Sequence[tuple[str, str]]) -> Sequence[DigestContent | None]:
        """Return the items of digests by (recipient, digest id), and change nothing; None for one without a window."""
        ...

    async def sizes(self, digests: Sequence[tuple[str, str]]) -> Sequence[int]:
        """Return the number of items of digests by (recipient, digest id); 0 for one without a window."""
        ...

    async def digests_of(self, items: Sequence[tuple[str, str]]) -> Sequence[str]:
        """Return the digest in whose window each (recipient, item) is; empty for one that is in none."""
        ...

    async def restore(self, digest: Delivery, window: str, items: Sequence[Delivery], due_ms: int) -> None:
        """Put items into a certain digest, for a rebuild. With `due_ms` 0 its window is sealed, else open again.

        Where another window of the recipient is open already, this one is sealed, too.
        """
        ...

    async def remove(self, digests: Sequence[tuple[str, str]]) -> None:
        """Remove the windows of (recipient, digest id) with their items: their digests have ended."""
        ...
