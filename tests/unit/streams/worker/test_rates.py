"""Live rates without Faust: what is counted, under which minute, and for how long."""

from service.model.ids import delivery_id, event_key
from service.model.ledger import State
from service.model.outcome import Outcome
from service.model.record import Record
from service.model.topics import TopicNames
from streams.kafka.connection import KafkaConnection
from streams.worker.rates import FollowedRates

MINUTE_S = 60
EVENT = event_key("s", "1")


def record(at_s: float, value: bytes | None = None, state: State = State.sent) -> Record:
    outcome = Outcome(delivery_id(EVENT, "r", "email"), EVENT, "overbid", "r", "email", state, at_ms=1)
    return Record("t", 0, 0, int(1000 * at_s), None, outcome.to_bytes() if value is None else value)


def test_the_current_minute_and_the_one_before_count() -> None:
    """By the time of the record; older minutes are forgotten, and what is no outcome is left out."""
    now_s = 100.0 * MINUTE_S + 30
    rates = FollowedRates(KafkaConnection("127.0.0.1:1"), TopicNames(""), lambda: now_s)

    for at_s in (now_s, now_s - 30, now_s - 31, now_s - 90, now_s - 91, now_s - 500):
        rates._count(record(at_s))
    rates._count(record(now_s, b"{"))
    rates._count(record(now_s, state=State.deferred))

    assert rates.last_minute() == {("sent", "overbid"): 4, ("deferred", "overbid"): 1}
    now_s += MINUTE_S
    rates._count(record(now_s))
    assert rates.last_minute() == {("sent", "overbid"): 3, ("deferred", "overbid"): 1}
    assert len(rates._windows) == 2
    now_s += 10 * MINUTE_S
    assert rates.last_minute() == {}
