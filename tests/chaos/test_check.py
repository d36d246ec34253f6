"""The check sees what is planted: one loss, one duplicate, one wrong recipient, one drifted count, one item twice."""

from collections import Counter
from dataclasses import replace

from tests.chaos.check import Arrived, Expected, compare

EXPECTED = Expected({("1", "a@x"), ("2", "b@x")}, {("1", "a"), ("2", "b")})
PERFECT = Arrived(
    Counter(EXPECTED.mails), Counter(EXPECTED.entries), {"a": 1, "b": 1}, {"a": 1, "b": 1}, open_deliveries=0
)


def violations_with(**changes: object) -> list[str]:
    return compare(EXPECTED, replace(PERFECT, **changes)).violations(mail_bound=0)


def test_a_complete_arrival_violates_nothing() -> None:
    """Each expected delivery once is enough."""
    assert violations_with() == []


def test_a_lost_mail_and_a_lost_entry_are_seen() -> None:
    """Both channels are counted."""
    assert violations_with(mails=Counter({("1", "a@x"): 1})) == ["1 lost (at most 0)"]
    assert violations_with(entries=Counter({("1", "a"): 1})) == ["1 lost (at most 0)"]


def test_duplicates_are_counted_and_mails_have_a_bound() -> None:
    """A second copy counts once."""
    twice = Counter({("1", "a@x"): 2, ("2", "b@x"): 1})
    assert violations_with(mails=twice) == ["1 mail duplicates (at most 0)"]
    assert compare(EXPECTED, replace(PERFECT, mails=twice)).violations(mail_bound=1) == []
    assert violations_with(entries=Counter({("1", "a"): 2, ("2", "b"): 1})) == [
        "1 inbox duplicates (at most 0)"
    ]


def test_a_wrong_recipient_is_seen() -> None:
    """A message to an address for which no event was published is a violation."""
    wrong = Counter({("1", "a@x"): 1, ("2", "b@x"): 1, ("2", "evil@x"): 1})
    assert violations_with(mails=wrong) == ["1 to a wrong recipient (at most 0)"]


def test_a_drifted_count_and_an_open_delivery_are_seen() -> None:
    """The count must equal the length of the list, and every delivery must end."""
    assert violations_with(unread_counts={"a": 2, "b": 1}) == [
        "1 unread counts that differ from their lists (at most 0)"
    ]
    assert violations_with(open_deliveries=3) == ["3 deliveries left open (at most 0)"]


def test_a_delivery_in_two_different_messages_is_seen() -> None:
    """A second copy of a message has the same Message-ID; an item of two digests has two, which no fault allows."""
    twice = replace(PERFECT, mails=Counter({("1", "a@x"): 2, ("2", "b@x"): 1}))
    same = replace(twice, message_ids={("1", "a@x"): {"w1@x"}, ("2", "b@x"): {"w2@x"}})
    assert compare(EXPECTED, same).violations(mail_bound=1) == []
    other = replace(twice, message_ids={("1", "a@x"): {"w1@x", "w3@x"}, ("2", "b@x"): {"w2@x"}})
    assert compare(EXPECTED, other).violations(mail_bound=1) == ["1 in two different messages (at most 0)"]


def test_what_the_ledger_says_and_limits_are_seen() -> None:
    """The ledger must name the message that came, and no recipient may get more than the limit."""
    assert violations_with(ledger_differences=2) == ["2 in other messages than the ledger says (at most 0)"]
    assert violations_with(over_limit=1) == ["1 over a limit (at most 0)"]
