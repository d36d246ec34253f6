"""Data subject: the rows that name a person, the ids and addresses of that person, and references to deliveries."""

from typing import NamedTuple

from service.model.address import mailbox
from service.model.delivery import Delivery
from service.model.event import InvalidEvent
from service.model.ids import address_pseudonym
from service.model.outcome import Outcome
from service.model.recipient import Contact, Group, Recipient
from service.model.record import Record
from service.model.topics import TopicNames
from service.model.validators import MAX_TIME_MS
from service.pipeline.tables.records import read_change

NAMED = ("recipients", "contacts", "groups")
"""The tables whose rows name persons."""


class DataSubject(NamedTuple):
    """The rows that name a person. `ids`: recipient ids, also of contacts and of addresses in group lists."""

    recipients: tuple[Recipient, ...]
    contacts: tuple[Contact, ...]
    groups: tuple[Group, ...]
    ids: frozenset[str]
    addresses: frozenset[str]


class SubjectFinder:
    """Finder of a data subject in the records of the tables' topics, read in their order.

    It matches a recipient id (a contact's uuid is one too), or an address in any spelling, which matches every
    recipient, contact and group list with that mailbox.
    """

    def __init__(self, topics: TopicNames, *, recipient: str = "", address: str = "") -> None:
        self._recipient = recipient
        self._address = mailbox(address)
        self._table_of = {topics.table(name): name for name in NAMED}
        self._rows: dict[tuple[str, str], Recipient | Contact | Group] = {}

    def read(self, record: Record) -> None:
        """Read one record of a table; the last record of a key counts, and invalid records are skipped."""
        try:
            change = read_change(self._table_of[record.topic], record, MAX_TIME_MS)
        except InvalidEvent:
            return
        row = change.row
        if isinstance(row, Recipient | Contact | Group) and self._matches(row):
            self._rows[change.table, change.key] = row
        else:
            self._rows.pop((change.table, change.key), None)

    def subject(self) -> DataSubject:
        """Return the data subject; the requested id or address is in it even where no row matches."""
        rows = self._rows.values()
        recipients = tuple(row for row in rows if isinstance(row, Recipient))
        contacts = tuple(row for row in rows if isinstance(row, Contact))
        ids = {*(row.id for row in recipients), *(row.uuid for row in contacts)}
        if self._address:
            ids.add(address_pseudonym(self._address))
        addresses = {
            self._address,
            *(mailbox(r.address) for r in recipients),
            *(mailbox(c.email) for c in contacts),
        }
        return DataSubject(
            recipients,
            contacts,
            tuple(row for row in rows if isinstance(row, Group)),
            frozenset((ids | {self._recipient}) - {""}),
            frozenset(addresses - {""}),
        )

    def _matches(self, row: Recipient | Contact | Group) -> bool:
        if isinstance(row, Recipient):
            return row.id == self._recipient or self._address == (mailbox(row.address) or None)
        if isinstance(row, Contact):
            return row.uuid == self._recipient or self._address == (mailbox(row.email) or None)
        return any(mailbox(one) == self._address for listed in row.addresses.values() for one in listed)


class DeliveryRef(NamedTuple):
    """A reference to a delivery, with the fields that its records in Kafka share."""

    delivery: str
    event: str
    type: str
    recipient: str
    channel: str
    event_id: str
    source: str

    @classmethod
    def from_record(cls, record: Record, topics: TopicNames) -> "DeliveryRef | None":
        """Return the delivery that a record of `dispatch.*` is about; None where it is about none."""
        decoded: Outcome | Delivery
        try:
            if record.topic == topics.outcomes:
                decoded = Outcome.from_bytes(record.value or b"")
                delivery = decoded.delivery
            else:
                decoded = Delivery.from_bytes(record.value)
                delivery = decoded.id
        except ValueError:
            return None
        return cls(
            delivery,
            decoded.event,
            decoded.type,
            decoded.recipient,
            str(decoded.channel),
            decoded.event_id,
            decoded.source,
        )
