"""Rows of the tables and of the ledger."""

from service.adapters.redis.ledger.codes import STATES
from service.adapters.redis.ledger.rows import ALLOWED, REPLAYABLE
from service.adapters.redis.tables.rows import recipient_of
from service.model.ledger import REPLAY_TRANSITIONS, State, sources_of
from service.model.recipient import Recipient, row_bytes


def test_the_same_bytes_are_the_same_object() -> None:
    """A row that has not changed is not parsed again."""
    row = Recipient(id="bob", address="bob@example.com", version=3)

    first = recipient_of(row_bytes(row))

    assert first == row
    assert recipient_of(bytes(bytearray(row_bytes(row)))) is first


def test_every_claimable_state_can_be_withdrawn() -> None:
    """The script turns a claim on a withdrawn event into a withdrawal: each such transition must be allowed."""
    assert sources_of(State.sending) <= sources_of(State.withdrawn)


def test_scripts_allow_the_transitions_of_the_model() -> None:
    """The argument that scripts search has exactly the transitions of the model's table."""
    allowed_by_script = {to: [STATES[code - 1] for code in codes] for to, codes in ALLOWED.items()}
    assert {to: set(states) for to, states in allowed_by_script.items()} == {
        to: set(sources_of(to)) for to in State
    }
    replayable = {key: {STATES[code - 1] for code in codes} for key, codes in REPLAYABLE.items()}
    assert replayable == {
        (kind, to): set(sources_of(to, kind)) for kind in REPLAY_TRANSITIONS for to in State
    }
