"""The rules of time for each message at the moment it is handed to a relay: no quiet hours, no limit passed, not early.

What was looked up before a change of a row may still be handed over after it, as in `send_rules`.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from service.model.catalogue import DIGEST, Catalogue, Lane, NotificationType
from service.model.ids import delivery_id
from service.model.ledger import NewEntry
from service.model.mail import OutgoingMail
from service.model.recipient import Recipient, preference_key
from service.ports import MailAllowance
from tests.simulation.recording_ports import LOOKUP, RecordingLedger
from tests.simulation.send_rules import SendRules
from tests.simulation.wall_clock import DAY_MS, HOUR_MS, digest_due_ms, is_quiet

LEEWAY_MS = 10_000
"""A message is handed over within a lease and a recheck from its decision."""


class Handover(NamedTuple):
    """When (ms) a message is handed to a relay, and whether the relay takes it."""

    at_ms: int
    accepted: bool = True


class _Sent(NamedTuple):
    at_ms: int
    delivery: str
    type: str


class Rows(Protocol):
    """The rows of recipients by the number of the change."""

    def row_at(self, recipient: str, change: int) -> Recipient:
        """Return the row that held at a change."""
        ...


class TimeRules:
    """Checks messages. `carried`: the messages by which each notification was handed over; `read_at`: by entry."""

    def __init__(
        self,
        catalogue: Catalogue,
        rules: SendRules,
        ledger: RecordingLedger,
        rows: Rows,
        allowance: MailAllowance,
    ) -> None:
        self._catalogue = catalogue
        self._rules = rules
        self._ledger = ledger
        self._rows = rows
        self._allowance = allowance
        self._sent: defaultdict[str, list[_Sent]] = defaultdict(list)
        self.carried: defaultdict[str, set[str]] = defaultdict(set)
        self.contents: defaultdict[str, list[frozenset[str]]] = defaultdict(list)
        self.read_at: dict[str, int] = {}

    def check(self, mail: OutgoingMail, handover: Handover) -> None:
        """Raise AssertionError for a message that must not be handed over now; else note that it was."""
        own, lookup = self._ledger.known[mail.delivery_id], LOOKUP.get()
        row, at_ms = self._rows.row_at(own.recipient, lookup.change), handover.at_ms
        items = items_of(mail)
        types = [self._type_of(self._ledger.known[item]) for item in items] or [self._type_of(own)]
        name = f"{own.delivery} to {own.recipient} ({', '.join(one.name for one in types)})"
        self._check_quiet(name, types, row, at_ms)
        if items:
            self._check_items(mail, items, own, row, at_ms)
        else:
            self._check_alone(name, own, types[0], at_ms)
        self.contents[own.delivery].append(frozenset(items))
        if handover.accepted:
            self._check_limits(name, own, types[0] if not items else None, at_ms)
            for item in items or [own.delivery]:
                self.carried[item].add(own.delivery)
                bound = 1 + self._rules.crashes[item]
                several = f"{item} was sent in {self.carried[item]}, {bound} can be explained"
                assert len(self.carried[item]) <= bound, several

    def _type_of(self, entry: NewEntry) -> NotificationType:
        return self._catalogue[self._ledger.event(entry.event).type]

    def _check_quiet(self, name: str, types: Sequence[NotificationType], row: Recipient, at_ms: int) -> None:
        for declared in types:
            windows = row.quiet_hours if row.quiet_hours is not None else declared.quiet_hours or ()
            if declared.mandatory or declared.lane is Lane.high:
                continue
            quiet = all(is_quiet(windows, row.timezone, at) for at in (at_ms, at_ms - LEEWAY_MS))
            assert not quiet, f"{name} was handed over in quiet hours"

    def _check_alone(self, name: str, own: NewEntry, declared: NotificationType, at_ms: int) -> None:
        received_ms = self._ledger.event(own.event).received_ms
        mail = delivery_id(own.event, own.recipient, "email")
        if declared.mail_if_unread_s and own.delivery == mail:
            waited = at_ms >= received_ms + declared.mail_if_unread_s * 1000
            assert waited, f"{name} was mailed before the inbox had its time"
        if declared.skips_read and not declared.mandatory:
            self._check_read(name, own)

    def _check_read(self, name: str, own: NewEntry) -> None:
        read_at = self.read_at.get(delivery_id(own.event, own.recipient, "inbox"))
        unread = read_at is None or read_at > LOOKUP.get().change
        assert unread, f"{name} was mailed though it had been read"

    def _check_items(
        self, mail: OutgoingMail, items: Sequence[str], own: NewEntry, row: Recipient, at_ms: int
    ) -> None:
        """Check a digest: each item as a mail of its own, and that its time has come for one of them."""
        entries = [self._ledger.known[item] for item in items]
        events = {entry.event for entry in entries}
        due: list[int] = []
        for entry in entries:
            declared, name = self._type_of(entry), f"{entry.delivery} in {own.delivery}"
            assert entry.recipient == own.recipient, f"{name} is for {entry.recipient}"
            assert entry.delivery in self._ledger.digested_at, (
                f"{name} was handed over and not claimed for it"
            )
            self._rules.check_notification(mail, entry, self._ledger.digested_at[entry.delivery], events)
            self._check_read(name, entry)
            due.append(digest_ms(declared, row, own.at_ms))
        assert len(set(items)) == len(items), f"{own.delivery} has an item twice: {items}"
        early_ms = 0 if self.contents[own.delivery] else min(due) - at_ms  # attempted again
        assert early_ms <= 0, f"digest {own.delivery} was handed over {early_ms} ms before its time"

    def _check_limits(self, name: str, own: NewEntry, declared: NotificationType | None, at_ms: int) -> None:
        """Check the hour and the day before; a message that is attempted again within them has room already."""
        sent = self._sent[own.recipient]
        type_name = declared.name if declared else DIGEST
        if declared is None or not declared.mandatory:
            limit = declared.limit if declared else None
            for most, window_ms, of_type in (
                (self._allowance.hour, HOUR_MS, False),
                (self._allowance.day, DAY_MS, False),
                ((limit.hour if limit else None) or 0, HOUR_MS, True),
                ((limit.day if limit else None) or 0, DAY_MS, True),
            ):
                counted = {
                    one.delivery
                    for one in sent
                    if one.at_ms > at_ms - window_ms + LEEWAY_MS
                    and (not of_type or one.type == type_name)
                    and not self._rules.crashes[one.delivery]  # who took over does not know that it was sent
                }
                room = not most or own.delivery in counted or len(counted) < most
                assert room, f"{name} is number {len(counted) + 1} of {most}"
        sent.append(_Sent(at_ms, own.delivery, type_name))


def items_of(mail: OutgoingMail) -> list[str]:
    """Return the deliveries in a digest, as the fake renderer writes them; none for another message."""
    head, _, body = mail.content.decode().partition("\r\n\r\n")
    return body.split() if f"Subject: {DIGEST}" in head.splitlines() else []


def digest_ms(declared: NotificationType, row: Recipient, opened_ms: int) -> int:
    """Return when a digest with an item of a type goes by the wall clock, if it was opened at a time (ms)."""
    rule = declared.digest
    assert rule is not None
    choice = row.preferences.get(preference_key(declared.name, "email"))
    frequency = (choice.frequency if choice else None) or rule.frequency
    return digest_due_ms(frequency, rule.wait_s, rule.at, rule.day, row.timezone, opened_ms)
