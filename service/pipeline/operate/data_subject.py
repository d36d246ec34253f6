"""Who a person is to Tocsin: the rows that name them, the ids they go by, and the deliveries they were due."""

from typing import NamedTuple

from service.model.delivery import Delivery
from service.model.event import InvalidEvent
from service.model.ids import address_pseudonym
from service.model.outcome import Outcome
from service.model.recipient import Contact, Group, Recipient
from service.model.record import Record
from service.model.topics import TopicNames
from service.pipeline.tables.records import read_change

NAMED = ("recipients", "contacts", "groups")
"""The tables whose rows name persons."""


class DataSubject(NamedTuple):
    """The rows that name somebody. `ids`: recipient ids, also of contacts and of addresses in group lists."""

    recipients: tuple[Recipient, ...]
    contacts: tuple[Contact, ...]
    groups: tuple[Group, ...]
    ids: frozenset[str]
    addresses: frozenset[str]


class SubjectFinder:
    """Finds a person in the tables' topics, read in their order.

    By a recipient id (a contact's uuid is one too), or by an address in whatever case, which finds all that
    goes by it.
    """

    def __init__(self, topics: TopicNames, *, recipient: str = "", address: str = "") -> None:
        self._recipient = recipient
        self._address = address.strip().lower()
        self._table_of = {topics.table(name): name for name in NAMED}
        self._rows: dict[tuple[str, str], Recipient | Contact | Group] = {}

    def read(self, record: Record) -> None:
        """Take in a record of a table; the last one of a key counts. What is no row is passed over."""
        try:
            change = read_change(self._table_of[record.topic], record)
        except InvalidEvent:
            return
        row = change.row
        if isinstance(row, Recipient | Contact | Group) and self._is_meant(row):
            self._rows[change.table, change.key] = row
        else:
            self._rows.pop((change.table, change.key), None)

    def person(self) -> DataSubject:
        """Who was found; ids and addresses also where no row is left."""
        rows = self._rows.values()
        recipients = tuple(row for row in rows if isinstance(row, Recipient))
        contacts = tuple(row for row in rows if isinstance(row, Contact))
        ids = {*(row.id for row in recipients), *(row.uuid for row in contacts)}
        if self._address:
            ids.add(address_pseudonym(self._address))
        addresses = {
            self._address,
            *(r.address.lower() for r in recipients),
            *(c.email.lower() for c in contacts),
        }
        return DataSubject(
            recipients,
            contacts,
            tuple(row for row in rows if isinstance(row, Group)),
            frozenset((ids | {self._recipient}) - {""}),
            frozenset(addresses - {""}),
        )

    def _is_meant(self, row: Recipient | Contact | Group) -> bool:
        if isinstance(row, Recipient):
            return row.id == self._recipient or self._address == (row.address.lower() or None)
        if isinstance(row, Contact):
            return row.uuid == self._recipient or self._address == (row.email.lower() or None)
        return any(one.lower() == self._address for listed in row.addresses.values() for one in listed)


class DeliveryRef(NamedTuple):
    """A delivery as Kafka tells of it."""

    delivery: str
    event: str
    type: str
    recipient: str
    channel: str
    event_id: str
    source: str


def trace_of(record: Record, topics: TopicNames) -> DeliveryRef | None:
    """The delivery that a record of `dispatch.*` is about; None where it is about none."""
    told: Outcome | Delivery
    try:
        if record.topic == topics.outcomes:
            told = Outcome.from_bytes(record.value or b"")
            name = told.delivery
        else:
            told = Delivery.from_bytes(record.value)
            name = told.id
    except ValueError:
        return None
    return DeliveryRef(
        name, told.event, told.type, told.recipient, str(told.channel), told.event_id, told.source
    )
