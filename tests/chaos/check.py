"""The comparison of what was published with what arrived. It knows nothing of Tocsin's internals."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass
class Expected:
    """The deliveries that must arrive: (event id, address) by email, (event id, recipient) in an inbox.

    Mails that are `optional` may arrive.
    """

    mails: set[tuple[str, str]] = field(default_factory=set)
    entries: set[tuple[str, str]] = field(default_factory=set)
    optional: set[tuple[str, str]] = field(default_factory=set)


@dataclass
class Arrived:
    """The deliveries that arrived: messages counted by the sink, entries and unread counts read from the inboxes.

    A digest counts for each of its items. `message_ids` are those of the messages that each delivery came in.
    `ledger_differences`: deliveries that came in another message than the one that the ledger says. `over_limit`:
    messages that came to a recipient over a limit.
    """

    mails: Counter[tuple[str, str]] = field(default_factory=Counter)
    entries: Counter[tuple[str, str]] = field(default_factory=Counter)
    unread_counts: Mapping[str, int] = field(default_factory=dict)
    unread_lists: Mapping[str, int] = field(default_factory=dict)
    open_deliveries: int = 0
    message_ids: Mapping[tuple[str, str], set[str]] = field(default_factory=dict)
    ledger_differences: int = 0
    over_limit: int = 0


@dataclass(frozen=True)
class CheckResult:
    """The differences, by kind. All must be zero, except `mail_duplicates`, which has a bound."""

    lost_mails: int
    lost_entries: int
    mail_duplicates: int
    inbox_duplicates: int
    wrong_recipients: int
    unread_drift: int
    open_deliveries: int
    in_two_messages: int = 0
    ledger_differences: int = 0
    over_limit: int = 0

    @property
    def lost(self) -> int:
        """Return the number of lost deliveries on both channels."""
        return self.lost_mails + self.lost_entries

    def violations(self, mail_bound: int) -> list[str]:
        """Return a sentence for each number that is over its bound."""
        counts = [
            (self.lost, 0, "lost"),
            (self.inbox_duplicates, 0, "inbox duplicates"),
            (self.mail_duplicates, mail_bound, "mail duplicates"),
            (self.wrong_recipients, 0, "to a wrong recipient"),
            (self.unread_drift, 0, "unread counts that differ from their lists"),
            (self.open_deliveries, 0, "deliveries left open"),
            (self.in_two_messages, 0, "in two different messages"),
            (self.ledger_differences, 0, "in other messages than the ledger says"),
            (self.over_limit, 0, "over a limit"),
        ]
        return [f"{count} {name} (at most {bound})" for count, bound, name in counts if count > bound]


def compare(expected: Expected, arrived: Arrived) -> CheckResult:
    """Count the differences between the two."""
    return CheckResult(
        lost_mails=len(expected.mails - set(arrived.mails)),
        lost_entries=len(expected.entries - set(arrived.entries)),
        mail_duplicates=sum(n - 1 for n in arrived.mails.values()),
        inbox_duplicates=sum(n - 1 for n in arrived.entries.values()),
        wrong_recipients=len(set(arrived.mails) - expected.mails - expected.optional)
        + len(set(arrived.entries) - expected.entries),
        unread_drift=sum(
            arrived.unread_counts.get(recipient, 0) != length
            for recipient, length in arrived.unread_lists.items()
        ),
        open_deliveries=arrived.open_deliveries,
        in_two_messages=sum(len(ids) > 1 for ids in arrived.message_ids.values()),
        ledger_differences=arrived.ledger_differences,
        over_limit=arrived.over_limit,
    )
