"""The circuit breaker and the rests of a relay, on a clock of our own."""

import pytest

from service.adapters.smtp.health import RelayHealthTracker, RelayState
from service.adapters.smtp.relay import Cooldowns
from service.model.reasons import Reason


class Hand:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.time = 100.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def clock() -> Hand:
    return Hand()


@pytest.fixture
def health(clock: Hand) -> RelayHealthTracker:
    return RelayHealthTracker(Cooldowns(away=1.0, busy=5.0, fault=30.0, longest=60.0, failures=3), clock)


def test_it_opens_after_failures_in_a_row(health: RelayHealthTracker) -> None:
    """Three in a row open it; one dialogue that came to its end starts the count anew."""
    assert [health.broke("x"), health.broke("x")] == [False, False]
    health.answered()
    assert [health.broke("x"), health.broke("x"), health.broke("x")] == [False, False, True]
    assert (health.state, health.usable) == (RelayState.breaker_open, False)


def test_rests_double_up_to_the_longest(health: RelayHealthTracker) -> None:
    """Every rest in a row doubles, with a tenth of jitter, up to the longest; success forgets them."""
    found = []
    for _ in range(8):
        health.rest(RelayState.resting, Reason.relay_busy, "")
        found.append(health.rests_for())
        health.try_again()
    health.worked()
    health.rest(RelayState.resting, Reason.relay_busy, "")

    for seconds, expected in zip(found, [5, 10, 20, 40, 60, 60, 60, 60], strict=True):
        assert seconds == pytest.approx(expected, rel=0.11)
    assert health.rests_for() == pytest.approx(5, rel=0.11)


def test_a_trial_that_breaks_is_over_at_once(health: RelayHealthTracker) -> None:
    """In a trial one failure is enough."""
    health.rest(RelayState.breaker_open, Reason.relay_unavailable, "", 1.0)
    health.try_again()

    assert (health.state, health.usable) == (RelayState.trial, True)
    assert health.broke("again")
    assert not health.usable


def test_a_refused_sender_is_well_only_when_accepted(health: RelayHealthTracker) -> None:
    """That it answers proves nothing when it refused our sender; an accepted mail does."""
    health.rest(RelayState.misconfigured, Reason.sender_refused, "")
    health.try_again()
    health.answered()
    assert health.state is RelayState.trial
    health.worked()
    assert (health.state, health.pristine, health.reason) == (RelayState.ok, True, None)


def suspect(health: RelayHealthTracker, *mails: str) -> list[bool]:
    return [health.suspect(mail, Reason.sender_refused, "x") for mail in mails]


def test_suspicions(health: RelayHealthTracker) -> None:
    """Three mails refused without an accepted one between them are our fault, and the reason is told."""
    assert suspect(health, "a", "b") == [False, False]
    health.worked()
    assert suspect(health, "c", "d", "e") == [False, False, True]
    assert (health.state, health.reason) == (RelayState.misconfigured, Reason.sender_refused)


def test_one_mail_is_one_witness(health: RelayHealthTracker) -> None:
    """A mail that is refused again and again pauses nobody else; two more that are do."""
    assert not any(suspect(health, *["a"] * 20))
    assert suspect(health, "b", "a", "c") == [False, False, True]


def test_a_suspicion_that_a_trial_confirms_pauses_at_once(health: RelayHealthTracker) -> None:
    """After the pause the next refusal is enough, until a mail is accepted."""
    suspect(health, "a", "b", "c")
    health.try_again()
    assert suspect(health, "d") == [True]
    health.try_again()
    health.worked()
    assert suspect(health, "e", "f") == [False, False]
