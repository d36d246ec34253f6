"""The invariants that hold after every step, and those that hold when nothing is left to do."""

import json
from collections import Counter

from service.model.ledger import State, is_open
from service.model.reasons import Reason
from tests.simulation.simulation import RECIPIENTS, Simulation

_MAX_ROUNDS = 400


def check_step(simulation: Simulation) -> None:
    """Check transitions, sent messages, the number of copies, unread counts, and that no stage has failed.

    Raise AssertionError for a broken invariant, and the error of a stage that has failed.
    """
    if simulation.broken:
        raise simulation.broken[0]
    simulation.ledger.check_changed()
    simulation.loop.done(_check_counts(simulation))
    for delivery, copies in simulation.relay.accepted.items():
        bound = 1 + simulation.rules.crashes[delivery] + simulation.relay.ambiguous[delivery]
        assert copies <= bound, f"{delivery} was mailed {copies} times, at most {bound} can be explained"
    for worker in simulation.workers:
        for stage in worker.stages.values():
            if stage.failures:
                raise stage.failures[0]


async def _check_counts(simulation: Simulation) -> None:
    for recipient in RECIPIENTS:
        count = sum((await simulation.pipeline.inbox.counts(recipient)).values())
        unread = await simulation.pipeline.inbox.unread(recipient)
        assert count == len(unread), f"{recipient} has {count} unread entries and a list of {len(unread)}"


def settle(simulation: Simulation, *, restart: bool = True) -> None:
    """Remove all faults, and run until nothing is left to do; with `restart` in new processes.

    Raise AssertionError where there is still work after so many rounds.
    """
    simulation.relay.script.clear()
    for index in (0, 1):
        if restart:
            simulation.crash(index)
        simulation.resume(index)
        simulation.restart(index)
    for _ in range(_MAX_ROUNDS):
        simulation.rebalance(0.5)
        before = progress_of(simulation)
        for index in (0, 1):
            simulation.dispatch_due(index)
            for stage in simulation.stages:
                simulation.work(index, stage)
                simulation.commit(index, stage)
        if progress_of(simulation) == before:
            due_ms = simulation.loop.done(simulation.pipeline.due.oldest_ms())
            if due_ms is None and not lag_of(simulation):
                return
            simulation.pass_time(max(30_000, (due_ms or 0) - simulation.clock.now))
    raise AssertionError(f"work is left: lag {lag_of(simulation)}, open {_open_deliveries(simulation)}")


def check_settled(simulation: Simulation) -> None:
    """Check that each recipient × channel is in one final state, which agrees with relay, inbox and outcomes."""
    for key, spec in simulation.published.items():
        for delivery, name in simulation.expected(spec).items():
            assert delivery in simulation.ledger.known, f"{name} is lost: the ledger does not know it"
            entry = simulation.loop.done(simulation.ledger.entry(key, delivery))
            state, reason = entry.state, entry.newest_step.reason
            closed = not is_open(state) or reason is Reason.awaiting_operator
            assert closed, f"{name} is lost: it stays {state}"
            mailed = simulation.relay.accepted[delivery]
            assert state is not State.sent or mailed, f"{name} is `sent`, and no relay has it"
            if key in simulation.withdrawn:
                assert state is not State.delivered, f"{name} was withdrawn and is in the inbox"
    _check_inboxes(simulation)
    _check_outcomes(simulation)
    dead_letters = simulation.kafka.messages("dispatch.dead-letter")
    reasons = {dict(dead_letter.headers)["tocsin-reason"] for dead_letter in dead_letters}
    assert len(dead_letters) >= simulation.invalid, "an invalid event is lost"
    assert reasons <= {b"unknown_type"}, f"unexpected dead letters: {reasons}"


def _check_inboxes(simulation: Simulation) -> None:
    shown = Counter(
        (item.event, item.recipient) for items in simulation.pipeline.inbox._items.values() for item in items
    )
    doubled = [pair for pair, n in shown.items() if n > 1]
    assert not doubled, f"twice in an inbox: {doubled}"
    delivered = {
        (new_entry.event, new_entry.recipient)
        for new_entry in simulation.ledger.known.values()
        if simulation.ledger.state_and_owner(new_entry)[0] is State.delivered
    }
    assert delivered == set(shown), f"ledger and inboxes differ: {delivered ^ set(shown)}"


def _check_outcomes(simulation: Simulation) -> None:
    """Check that each final state has an outcome at least, from which a rebuild can restore it."""
    recorded = set()
    for record in simulation.kafka.messages("dispatch.outcomes"):
        outcome = json.loads(record.value or b"{}")
        recorded.add((outcome.get("delivery"), outcome.get("state")))
    missing = {
        (d, s)
        for d, new_entry in simulation.ledger.known.items()
        if (s := simulation.ledger.state_and_owner(new_entry)[0]) and (d, s.value) not in recorded
    }
    assert not missing, f"without an outcome: {missing}"


def progress_of(simulation: Simulation) -> tuple[object, ...]:
    """Return what grows with every piece of work."""
    records = sum(len(log) for log in simulation.kafka.logs.values())
    return records, dict(simulation.kafka.committed), simulation.relay.accepted.total()


def lag_of(simulation: Simulation) -> dict[str, int]:
    """Return by stage and partition the number of records that the group has not committed."""
    lag = {}
    for stage, topics in simulation.stages.items():
        for tp, log in simulation.kafka.logs.items():
            committed = simulation.kafka.committed.get((stage, tp), 0)
            if tp.topic in topics and (left := sum(r.offset >= committed for r in log)):
                lag[f"{stage} {tp.topic}-{tp.partition}"] = left
    return lag


def _open_deliveries(simulation: Simulation) -> list[tuple[str, str, State]]:
    ledger = simulation.ledger
    current = [(e.recipient, e.channel, ledger.state_and_owner(e)[0]) for e in ledger.known.values()]
    return [delivery for delivery in current if is_open(delivery[2])]
