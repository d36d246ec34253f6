"""The comparison of what was published with what arrived. It knows nothing of Tocsin's internals."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass
class Expected:
    """The deliveries that must arrive: (event id, address) by email, (event id, recipient) in an inbox."""

    mails: set[tuple[str, str]] = field(default_factory=set)
    entries: set[tuple[str, str]] = field(default_factory=set)


@dataclass
class Arrived:
    """The deliveries that arrived: messages counted by the sink, entries and unread counts read from the inboxes."""

    mails: Counter[tuple[str, str]] = field(default_factory=Counter)
    entries: Counter[tuple[str, str]] = field(default_factory=Counter)
    unread_counts: Mapping[str, int] = field(default_factory=dict)
    unread_lists: Mapping[str, int] = field(default_factory=dict)
    open_deliveries: int = 0


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
        ]
        return [f"{count} {name} (at most {bound})" for count, bound, name in counts if count > bound]


def compare(expected: Expected, arrived: Arrived) -> CheckResult:
    """Count the differences between the two."""
    return CheckResult(
        lost_mails=len(expected.mails - set(arrived.mails)),
        lost_entries=len(expected.entries - set(arrived.entries)),
        mail_duplicates=sum(n - 1 for n in arrived.mails.values()),
        inbox_duplicates=sum(n - 1 for n in arrived.entries.values()),
        wrong_recipients=len(set(arrived.mails) - expected.mails)
        + len(set(arrived.entries) - expected.entries),
        unread_drift=sum(
            arrived.unread_counts.get(recipient, 0) != length
            for recipient, length in arrived.unread_lists.items()
        ),
        open_deliveries=arrived.open_deliveries,
    )
