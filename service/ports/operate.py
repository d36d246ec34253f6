"""Ports of operators' tools: scans of a whole Redis, logs in Kafka, the data of a person."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from service.model.delivery import Delivery
from service.model.ledger import Entry
from service.model.outcome import Outcome
from service.model.record import Record
from service.ports.inbox import InboxItem
from service.ports.state_history import Positions


class LedgerScan(Protocol):
    """Scans of the ledger, the due set and the inboxes; each item once."""

    def ledger(self) -> AsyncIterator[tuple[Sequence[Entry], Sequence[str]]]:
        """Yield deliveries, and the names of rows that cannot be read."""
        ...

    def waiting(self) -> AsyncIterator[Sequence[tuple[str, str]]]:
        """Yield (event, delivery) of everything in the due set."""
        ...

    def inboxes(self) -> AsyncIterator[Sequence[str]]:
        """Yield the recipients with an inbox."""
        ...

    async def inbox_drift(self, recipient: str) -> Sequence[str]:
        """Return the inconsistencies of an inbox, one line each."""
        ...

    async def recount(self, recipient: str) -> None:
        """Recreate an inbox's lists and counts from its entries."""
        ...


class DeliveryLog(Protocol):
    """The email deliveries that Kafka keeps."""

    async def find(self, delivery_ids: frozenset[str]) -> Mapping[str, Delivery]:
        """Return deliveries by their ids, as last written. Reads whole topics. Raise Unavailable."""
        ...


class EventLog(Protocol):
    """The events that upstreams have published, as Kafka keeps them."""

    def since(self, since_ms: int) -> AsyncIterator[Record]:
        """Yield the records since a time (ms), up to the current end of the topics. Raise Unavailable."""
        ...


class OutcomeLog(Protocol):
    """The outcomes of deliveries, as Kafka keeps them."""

    async def acceptances(self, sent: Sequence[tuple[str, int]]) -> Mapping[tuple[str, int], Outcome]:
        """Return the outcomes of accepted messages, by delivery id and time (ms); without those that are not found.

        An outage of Kafka is no error: nothing is found then.
        """
        ...


class RecordLog(Protocol):
    """Records as Kafka keeps them, of any topics, read outside any consumer group.

    Every method raises Unavailable, those for whole topics also where one does not exist.
    """

    def at(self, topic: str, positions: Sequence[tuple[int, int]]) -> AsyncIterator[Record]:
        """Yield the records at these (partition, offset), without those that are gone."""
        ...

    def since(self, topics: Sequence[str], since_ms: int = 0) -> AsyncIterator[Record]:
        """Yield the records since a time (ms), roughly by time, up to the present ends of the topics."""
        ...

    async def matching(self, pattern: str) -> Sequence[str]:
        """Return the topics whose names match a regular expression from their beginning."""
        ...

    async def ends(self, topics: Sequence[str], at_ms: int | None = None) -> Positions:
        """Return where each partition ends now, or before its first record since a time (ms)."""
        ...

    def newest(self, before: Positions) -> AsyncGenerator[Record, None]:
        """Yield the records before these positions, newest first; those of one partition in reverse order."""
        ...

    def follow(self, start: Positions) -> AsyncGenerator[Record, None]:
        """Yield the records from these positions on, and for ever those that come."""
        ...


class PendingRetries(Protocol):
    """When the next attempt of a delivery is due, noted while a rebuild reads the outcomes."""

    async def note(self, next_ms: Mapping[tuple[str, int], int]) -> None:
        """Note the times (ms) of next attempts by delivery id and attempts so far."""
        ...

    async def noted(self, attempts: Sequence[tuple[str, int]]) -> Sequence[int | None]:
        """Return the time (ms) of the attempt after each (delivery id, attempts so far); None where none is noted."""
        ...

    async def clear(self) -> None:
        """Remove all notes."""
        ...


class PersonalData(Protocol):
    """The data of a recipient outside the tables."""

    async def deliveries(self, recipient: str) -> Sequence[tuple[str, str]]:
        """Return (event, delivery) of everything that the ledger's index has of a recipient."""
        ...

    async def entries(self, recipient: str) -> Sequence[InboxItem]:
        """Return the whole inbox of a recipient."""
        ...

    async def digests(self, recipient: str) -> Mapping[str, Sequence[Delivery]]:
        """Return the items of the digests that a recipient's notifications wait for, by the digest's delivery id."""
        ...

    async def mails(self, recipient: str) -> Mapping[str, int]:
        """Return when the mails of a recipient were counted for the limits of an hour and a day (ms), by delivery."""
        ...

    async def anonymise(self, deliveries: Sequence[tuple[str, str]], stand_in: str) -> int:
        """Replace the recipient of deliveries by `stand_in`, keeping their states. Return how many there were."""
        ...

    async def forget(self, recipient: str) -> None:
        """Remove a recipient's inbox with its change stream, digests, counted mails, and the ledger's index."""
        ...


class AddressSearch(Protocol):
    """Search of recipients by address. Reads whole tables: for operators, not for stages."""

    async def find(self, address: str) -> Sequence[str]:
        """Return the ids of recipients and contacts with this address, ignoring case."""
        ...


@dataclass(frozen=True, slots=True)
class TableCount:
    """The rows of a table, and a checksum that does not depend on their order: a sum modulo 2^64 of hashes, in hex."""

    table: str
    rows: int
    checksum: str
