"""The judge: compares what was published with what arrived. It knows nothing of how Tocsin works."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass
class Expected:
    """What must arrive: (event id, address) by mail, (event id, recipient) in an inbox."""

    mails: set[tuple[str, str]] = field(default_factory=set)
    entries: set[tuple[str, str]] = field(default_factory=set)


@dataclass
class Arrived:
    """What did: mails counted by the sink, entries read from the inboxes, counts that the API would show."""

    mails: Counter[tuple[str, str]] = field(default_factory=Counter)
    entries: Counter[tuple[str, str]] = field(default_factory=Counter)
    unread_counts: Mapping[str, int] = field(default_factory=dict)
    unread_lists: Mapping[str, int] = field(default_factory=dict)
    open_deliveries: int = 0


@dataclass(frozen=True)
class Verdict:
    """Zero everywhere is perfect; `mail_duplicates` has a bound of its own."""

    lost_mails: int
    lost_entries: int
    mail_duplicates: int
    inbox_duplicates: int
    strangers: int
    unread_drift: int
    open_deliveries: int

    @property
    def lost(self) -> int:
        """Of both kinds."""
        return self.lost_mails + self.lost_entries

    def faults(self, mail_bound: int) -> list[str]:
        """What is not as promised, in words."""
        found = [
            (self.lost, 0, "lost"),
            (self.inbox_duplicates, 0, "inbox duplicates"),
            (self.mail_duplicates, mail_bound, "mail duplicates"),
            (self.strangers, 0, "to somebody it was not for"),
            (self.unread_drift, 0, "unread counts that differ from their lists"),
            (self.open_deliveries, 0, "deliveries left open"),
        ]
        return [f"{count} {what} (at most {bound})" for count, bound, what in found if count > bound]


def judge(expected: Expected, arrived: Arrived) -> Verdict:
    """Count what differs."""
    return Verdict(
        lost_mails=len(expected.mails - set(arrived.mails)),
        lost_entries=len(expected.entries - set(arrived.entries)),
        mail_duplicates=sum(n - 1 for n in arrived.mails.values()),
        inbox_duplicates=sum(n - 1 for n in arrived.entries.values()),
        strangers=len(set(arrived.mails) - expected.mails) + len(set(arrived.entries) - expected.entries),
        unread_drift=sum(
            arrived.unread_counts.get(who, 0) != length for who, length in arrived.unread_lists.items()
        ),
        open_deliveries=arrived.open_deliveries,
    )
