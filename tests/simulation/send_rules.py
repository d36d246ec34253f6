"""The rules for each message at the moment it is submitted to a relay: which recipient may be mailed, and when."""

from collections import Counter, defaultdict
from collections.abc import Set

from service.model.event import Event
from service.model.ids import address_key
from service.model.ledger import NewEntry, State
from service.model.mail import OutgoingMail
from tests.simulation.process import Process
from tests.simulation.recording_ports import (
    LOOKUP,
    ChangeCounter,
    Moment,
    RecordingDueSet,
    RecordingLedger,
    RecordingSupersede,
    RecordingTables,
)

_MANDATORY = frozenset({"reset_password", "must"})


class SendRules:
    """Checks messages against what the ports recorded. `crashes` counts by delivery what its owners' faults allow.

    The death of an owner allows one more message of each claim, a pause one more of what was at a relay then.
    """

    def __init__(
        self,
        changes: ChangeCounter,
        ledger: RecordingLedger,
        tables: RecordingTables,
        supersedes: RecordingSupersede,
        due: RecordingDueSet,
    ) -> None:
        self._changes = changes
        self._ledger = ledger
        self._tables = tables
        self._supersedes = supersedes
        self._due = due
        self._off: dict[tuple[str, str], int] = {}
        self._addresses: defaultdict[str, list[tuple[int, str]]] = defaultdict(list)
        self.crashes: Counter[str] = Counter()

    def preference_set(self, recipient: str, type_name: str, on: bool) -> None:
        """Note that a preference holds from now on."""
        if on:
            self._off.pop((recipient, type_name), None)
        else:
            self._off.setdefault((recipient, type_name), self._changes.next())

    def address_changed(self, recipient: str, address: str) -> None:
        """Note that an address holds from now on."""
        self._addresses[recipient].append((self._changes.next(), address))

    def worker_died(self, process: Process) -> None:
        """Note that the claims of a worker may be sent once more."""
        self.crashes.update(self._ledger.claims(process.owner))

    def worker_paused(self, process: Process, submitted: set[tuple[str, str]]) -> None:
        """Note that claims whose messages were at a relay may be sent once more; those that were not may not."""
        claims = self._ledger.claims(process.owner)
        self.crashes.update(delivery for delivery in claims if (delivery, process.owner) in submitted)

    def check(self, mail: OutgoingMail, process: Process) -> None:
        """Raise AssertionError for a message that must not be sent."""
        new_entry = self._ledger.known[mail.delivery_id]
        event, lookup = self._ledger.event(new_entry.event), LOOKUP.get()
        name = f"{event.type} {event.id} to {new_entry.recipient}"
        state, owner = self._ledger.state_and_owner(new_entry)
        claimed = (state, owner.partition("+")[0]) == (State.sending, process.owner)
        assert claimed, f"{name} was mailed by {process.owner} though it is {state} of {owner}"
        early_ms = self._due.next_attempt_ms.get(mail.delivery_id, 0) - self._changes.moment().at_ms
        assert early_ms <= 0, f"{name} was attempted {early_ms} ms before its time"
        known = [address for at, address in self._addresses[new_entry.recipient] if at <= lookup.change]
        assert not known or known[-1] == mail.recipient, f"{name} was mailed to an old address"
        self.check_notification(mail, new_entry, self._ledger.claimed_at[mail.delivery_id], {event.key})

    def check_notification(
        self, mail: OutgoingMail, new_entry: NewEntry, claimed_at: int, together: Set[str]
    ) -> None:
        """Raise AssertionError for a delivery that must not be in a message with deliveries of these events."""
        event, lookup = self._ledger.event(new_entry.event), LOOKUP.get()
        name = f"{event.type} {event.id} to {new_entry.recipient}"
        withdrawn = self._ledger.withdrawn_at.get(new_entry.event)
        assert withdrawn is None or withdrawn >= claimed_at, f"{name} was mailed after it was withdrawn"
        expired = event.expires_ms is not None and event.expires_ms <= lookup.at_ms
        assert not expired, f"{name} was mailed after its deadline"
        key = f"{event.type}|{event.data.get('lot_id')}|{new_entry.recipient}"
        newest = [newer for at, newer in self._supersedes.newest_at.get(key, ()) if at <= lookup.change]
        assert not newest or newest[-1] in together, f"{name} was mailed after a newer one"
        if event.type not in _MANDATORY:
            self._check_blocks(mail, event, new_entry, lookup)

    def _check_blocks(self, mail: OutgoingMail, event: Event, new_entry: NewEntry, lookup: Moment) -> None:
        """Raise AssertionError where a preference or a suppression, as of the lookup, blocks the message."""
        name = f"{event.type} {event.id} to {new_entry.recipient}"
        off = self._off.get((new_entry.recipient, event.type))
        assert off is None or off > lookup.change, f"{name} was mailed after its preference was switched off"
        at, row = self._tables.suppressed_at.get(address_key(mail.recipient), (lookup.change + 1, None))
        suppressed = at <= lookup.change and row is not None and row.in_force(lookup.at_ms)
        assert not suppressed, f"{name} was mailed though its address is suppressed"
