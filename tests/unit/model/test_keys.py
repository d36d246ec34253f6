"""Keys made of several parts: different parts never give the same key, whatever separators are in them."""

from collections.abc import Callable, Hashable

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from service.adapters.redis.keys import Keys
from service.model.blocks.unsubscribe import unsubscribe_key
from service.model.ids import delivery_id, event_key
from service.model.keys import ContactKey, GroupKey, joined_key
from tests.support.rendering import make_delivery

KEYS = Keys("tocsin:")
PART = st.text(st.sampled_from("ab:|%/.\x7f{} é\n"), max_size=6)
PRINTABLE = st.text(st.sampled_from("ab:|%/.{} é"), max_size=6)
"""What an id may be: sources, event ids, accounts and recipients have no control characters."""
HEX = st.sampled_from(["0" * 24, "1" * 24])
Pair = tuple[str, str]


@given(st.lists(PART, min_size=1, max_size=3), st.lists(PART, min_size=1, max_size=3))
@example(["recipient:a", "b:K"], ["recipient:a:b", "K"])
@example(["a|b", "c"], ["a", "b|c"])
@example(["a%7Cb"], ["a|b"])
def test_joined_keys(one: list[str], other: list[str]) -> None:
    """Lists of parts that differ have keys that differ."""
    assert (joined_key(*one) == joined_key(*other)) is (one == other)


@pytest.mark.parametrize(
    "key_of",
    [
        event_key,
        KEYS.group,
        lambda key, recipient: make_delivery(supersede=f"overbid|{key}", recipient=recipient).supersede_key,
        lambda account, recipient: unsubscribe_key(account, recipient, "overbid"),
        lambda recipient, channel: delivery_id("0" * 24, recipient, channel),
        KEYS.rate,
    ],
    ids=["event", "group", "supersede", "unsubscribe", "delivery", "rate"],
)
@given(one=st.tuples(PRINTABLE, PRINTABLE), other=st.tuples(PRINTABLE, PRINTABLE))
@example(one=("a|b", "c"), other=("a", "b|c"))
@example(one=("a:b", "c"), other=("a", "b:c"))
def test_pairs(key_of: Callable[[str, str], Hashable], one: Pair, other: Pair) -> None:
    """Two pairs of ids, as they are accepted, have one key only if they are the same pair."""
    assume(one != other)
    assert key_of(*one) != key_of(*other)


@given(PRINTABLE, PRINTABLE)
def test_row_keys_are_read_back(first: str, second: str) -> None:
    """The key of a group's or a contact's record names the row, since its last part has no separator."""
    second = second.replace("|", "")
    assert GroupKey.parse(str(GroupKey(first, second))) == (first, second)
    assert ContactKey.parse(str(ContactKey(first, second))) == (first, second)
