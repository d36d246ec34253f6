"""The circuit breaker and the cooldowns of a relay, on a manual clock."""

import pytest

from service.adapters.smtp.health import RelayHealthTracker, Suspicion
from service.adapters.smtp.relay import Cooldowns
from service.model.reasons import Reason
from service.model.relay import RelayState


class ManualClock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.time = 100.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def health(clock: ManualClock) -> RelayHealthTracker:
    return RelayHealthTracker(
        Cooldowns(unavailable_s=1.0, busy_s=5.0, fault_s=30.0, max_s=60.0, failures=3), clock
    )


def test_the_breaker_opens_after_failures_in_a_row(health: RelayHealthTracker) -> None:
    """Open after three failures in a row; a completed dialogue resets the count."""
    assert [health.record_failure("x"), health.record_failure("x")] == [False, False]
    health.record_reply()
    assert [health.record_failure("x"), health.record_failure("x"), health.record_failure("x")] == [
        False,
        False,
        True,
    ]
    assert (health.state, health.usable) == (RelayState.breaker_open, False)


def test_cooldowns_double_up_to_the_maximum(health: RelayHealthTracker) -> None:
    """Double every cooldown in a row, with a tenth of jitter, up to the maximum; reset after success."""
    cooldowns_s = []
    for _ in range(8):
        health.cool_down(RelayState.cooldown, Reason.relay_busy, "")
        cooldowns_s.append(health.cooldown_left_s())
        health.begin_trial()
    health.record_accepted()
    health.cool_down(RelayState.cooldown, Reason.relay_busy, "")

    for seconds, expected in zip(cooldowns_s, [5, 10, 20, 40, 60, 60, 60, 60], strict=True):
        assert seconds == pytest.approx(expected, rel=0.11)
    assert health.cooldown_left_s() == pytest.approx(5, rel=0.11)


def test_one_failure_ends_a_trial(health: RelayHealthTracker) -> None:
    """Open the breaker again after a single failure in a trial."""
    health.cool_down(RelayState.breaker_open, Reason.relay_unavailable, "", 1.0)
    health.begin_trial()

    assert (health.state, health.usable) == (RelayState.trial, True)
    assert health.record_failure("again")
    assert not health.usable


def test_a_refused_sender_needs_an_accepted_message(health: RelayHealthTracker) -> None:
    """Stay in trial after a mere reply if the sender was refused; an accepted message ends it."""
    health.cool_down(RelayState.misconfigured, Reason.sender_refused, "")
    health.begin_trial()
    health.record_reply()
    assert health.state is RelayState.trial
    health.record_accepted()
    assert (health.state, health.pristine, health.reason) == (RelayState.ok, True, None)


def test_a_refused_connection_needs_no_accepted_message(health: RelayHealthTracker) -> None:
    """A connection that is taken shows that the greeting's fault is over; what its messages meet is another matter."""
    health.cool_down(RelayState.misconfigured, Reason.host_refused, "", on_connect=True)
    health.begin_trial()
    health.record_reply()
    assert health.state is RelayState.ok

    health.cool_down(RelayState.cooldown, Reason.host_refused, "")
    health.begin_trial()
    health.record_reply()
    assert health.state is RelayState.trial


REFUSED = Suspicion(RelayState.misconfigured, Reason.sender_refused, "x")


def suspect(health: RelayHealthTracker, *recipients: str, domains_seen: int = 3) -> list[bool]:
    return [health.record_suspicion(one, one.partition("@")[2], REFUSED, domains_seen) for one in recipients]


def test_suspicions(health: RelayHealthTracker) -> None:
    """Three unrelated recipients refused with none accepted between them are our fault; the state has the reason."""
    assert suspect(health, "a@a.test", "b@b.test") == [False, False]
    health.record_accepted()
    assert suspect(health, "c@c.test", "d@d.test", "e@e.test") == [False, False, True]
    assert (health.state, health.reason) == (RelayState.misconfigured, Reason.sender_refused)


def test_one_recipient_counts_once(health: RelayHealthTracker) -> None:
    """Do not pause for one recipient that is refused again and again; pause once two more are."""
    assert not any(suspect(health, *["a@a.test", "A@a.test"] * 20))
    assert suspect(health, "b@b.test", "a@a.test", "c@c.test") == [False, False, True]


def test_one_domain_counts_once_where_there_are_others(health: RelayHealthTracker) -> None:
    """Do not pause because one domain refuses us, unless no mail goes to any other."""
    assert not any(suspect(health, *[f"user{number}@a.test" for number in range(200)]))
    assert suspect(health, "b@b.test", "c@c.test") == [False, True]
    health.record_accepted()
    assert suspect(health, "a@a.test", "b@a.test", "c@a.test", domains_seen=1) == [False, False, True]


def test_different_faults_are_no_row(health: RelayHealthTracker) -> None:
    """Begin to count again when a recipient meets another fault."""
    other = Suspicion(RelayState.misconfigured, Reason.host_refused, "y")
    assert suspect(health, "a@a.test", "b@b.test") == [False, False]
    assert not health.record_suspicion("c@c.test", "c.test", other)
    assert suspect(health, "d@d.test", "e@e.test", "f@f.test") == [False, False, True]


def test_a_suspicion_that_a_trial_confirms_pauses_at_once(health: RelayHealthTracker) -> None:
    """Pause at the next refusal after a pause, until a message is accepted."""
    suspect(health, "a@a.test", "b@b.test", "c@c.test")
    health.begin_trial()
    assert suspect(health, "d@d.test") == [True]
    health.begin_trial()
    health.record_accepted()
    assert suspect(health, "e@e.test", "f@f.test") == [False, False]
