"""The judge sees what is planted: one loss, one duplicate, one wrong recipient, one drifted count."""

from collections import Counter
from dataclasses import replace

from tests.chaos.verdict import Arrived, Expected, judge

EXPECTED = Expected({("1", "a@x"), ("2", "b@x")}, {("1", "a"), ("2", "b")})
PERFECT = Arrived(
    Counter(EXPECTED.mails), Counter(EXPECTED.entries), {"a": 1, "b": 1}, {"a": 1, "b": 1}, open_deliveries=0
)


def planted(**changes: object) -> list[str]:
    return judge(EXPECTED, replace(PERFECT, **changes)).faults(mail_bound=0)


def test_perfection_has_no_fault() -> None:
    """What is promised is enough."""
    assert planted() == []


def test_a_lost_mail_and_a_lost_entry_are_seen() -> None:
    """One of each kind."""
    assert planted(mails=Counter({("1", "a@x"): 1})) == ["1 lost (at most 0)"]
    assert planted(entries=Counter({("1", "a"): 1})) == ["1 lost (at most 0)"]


def test_duplicates_are_counted_and_mails_have_a_bound() -> None:
    """A second copy counts once."""
    twice = Counter({("1", "a@x"): 2, ("2", "b@x"): 1})
    assert planted(mails=twice) == ["1 mail duplicates (at most 0)"]
    assert judge(EXPECTED, replace(PERFECT, mails=twice)).faults(mail_bound=1) == []
    assert planted(entries=Counter({("1", "a"): 2, ("2", "b"): 1})) == ["1 inbox duplicates (at most 0)"]


def test_a_wrong_recipient_is_seen() -> None:
    """Somebody who was not meant."""
    wrong = Counter({("1", "a@x"): 1, ("2", "b@x"): 1, ("2", "evil@x"): 1})
    assert planted(mails=wrong) == ["1 to somebody it was not for (at most 0)"]


def test_a_drifted_count_and_an_open_delivery_are_seen() -> None:
    """The count is the length of the list, and everything ends."""
    assert planted(unread_counts={"a": 2, "b": 1}) == [
        "1 unread counts that differ from their lists (at most 0)"
    ]
    assert planted(open_deliveries=3) == ["3 deliveries left open (at most 0)"]
