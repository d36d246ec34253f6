"""What operators' tools read and change: scans of a whole Redis, logs in Kafka, what is kept of a person."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from service.model.delivery import Delivery
from service.model.ledger import Entry
from service.model.record import Record
from service.ports.inbox import InboxItem


class LedgerScan(Protocol):
    """Everything there is, each once."""

    def ledger(self) -> AsyncIterator[tuple[Sequence[Entry], Sequence[str]]]:
        """Deliveries, and the names of rows that cannot be read."""
        ...

    def waiting(self) -> AsyncIterator[Sequence[tuple[str, str]]]:
        """(event, delivery) of what is in the due set."""
        ...

    def inboxes(self) -> AsyncIterator[Sequence[str]]:
        """Recipients who have an inbox."""
        ...

    async def inbox_drift(self, recipient: str) -> Sequence[str]:
        """What disagrees in an inbox, a line each."""
        ...

    async def recount(self, recipient: str) -> None:
        """Make an inbox's lists and counts anew from its entries."""
        ...


class DeliveryLog(Protocol):
    """The email deliveries that Kafka keeps."""

    async def find(self, wanted: frozenset[str]) -> Mapping[str, Delivery]:
        """Deliveries by their ids, as they were last written. Reads whole topics. Raises Unavailable."""
        ...


class EventLog(Protocol):
    """The events that upstreams have published, as Kafka keeps them."""

    def since(self, since_ms: int) -> AsyncIterator[Record]:
        """Records from that time (ms) on, to where the topics end now. Raises Unavailable."""
        ...


class PendingRetries(Protocol):
    """Which deliveries wait for their next attempt, noted while history is read."""

    async def note(self, waiting: Mapping[str, tuple[int, int]], over: Sequence[str]) -> None:
        """Remember next attempts (time in ms, attempts so far), and forget those that are over."""
        ...

    async def noted(self, ids: Sequence[str]) -> Sequence[tuple[int, int] | None]:
        """For each delivery its next attempt; None when it does not wait."""
        ...

    async def clear(self) -> None:
        """Forget all."""
        ...


class PersonalData(Protocol):
    """What is kept of a recipient beside the tables."""

    async def deliveries(self, recipient: str) -> Sequence[tuple[str, str]]:
        """(event, delivery) of all that the ledger's index has."""
        ...

    async def entries(self, recipient: str) -> Sequence[InboxItem]:
        """The whole inbox."""
        ...

    async def anonymise(self, deliveries: Sequence[tuple[str, str]], stand_in: str) -> int:
        """Keep where deliveries stand, and nothing of for whom; how many there were."""
        ...

    async def forget(self, recipient: str) -> None:
        """Remove the inbox with its traces, and the ledger's index."""
        ...


class AddressSearch(Protocol):
    """Who has an address. Reads whole tables: for operators, not for stages."""

    async def holders(self, address: str) -> Sequence[str]:
        """Ids of recipients and contacts with this address, its case aside."""
        ...


@dataclass(frozen=True, slots=True)
class TableCount:
    """The rows of a table, and a checksum that does not depend on their order: a sum modulo 2^64 of hashes, in hex."""

    table: str
    rows: int
    checksum: str


class Inventory(Protocol):
    """What Redis holds, counted."""

    async def counts(self) -> Sequence[TableCount]:
        """Return the count and checksum of every table. Reads all of Redis. Raises Unavailable."""
        ...
