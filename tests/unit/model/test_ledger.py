"""The ledger's transitions are a closed set, specified in one place."""

import pytest

from service.model.ledger import TRANSITIONS, IllegalTransition, State, check_transition, is_open, sources_of


def test_every_state_has_its_row() -> None:
    """No state is without a rule, and none leads outside the set."""
    assert set(TRANSITIONS) == {None, *State}


def test_what_is_sent_is_never_sent_again() -> None:
    """From `sent` only what comes back leads to another state; something unclear may be followed by a bounce."""
    assert TRANSITIONS[State.sent] == {State.bounced, State.returned}
    assert TRANSITIONS[State.returned] == {State.bounced}
    for state in (State.queued, State.sending, State.deferred):
        for current in (State.sent, State.returned):
            with pytest.raises(IllegalTransition):
                check_transition(current, state)


def test_sending_is_claimed_before_sent() -> None:
    """No delivery becomes sent without being `sending` first, except an ambiguous one."""
    assert sources_of(State.sent) == {State.sending, State.ambiguous}


def test_open_states_lead_to_an_end() -> None:
    """Every open state has a way to an end."""
    for state in State:
        if is_open(state):
            assert any(not is_open(target) for target in TRANSITIONS[state])


def test_withdrawn_is_final() -> None:
    """A withdrawal is final, for replays too."""
    assert not TRANSITIONS[State.withdrawn]
