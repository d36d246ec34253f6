"""The invariants of time: after each step, once all workers have had a minute, and when nothing is left to do."""

from service.model.catalogue import Lane, NotificationType
from service.model.ids import event_of_delivery, reminder_id
from service.model.ledger import Entry, State
from service.model.reasons import HELD_UNTIL_A_TIME, Reason
from tests.simulation.invariants import check_settled, check_step, lag_of, progress_of
from tests.simulation.time_rules import digest_ms
from tests.simulation.timed_simulation import REMIND_S, REMINDERS, TimedSimulation
from tests.simulation.wall_clock import is_free

TICK_MS = 60_000
"""Time for all workers: leases of the due set, claims without an owner, and batches that back off end within it."""
_SCHEDULED = frozenset({Reason.scheduled, Reason.retimed})


def tick(simulation: TimedSimulation) -> None:
    """Let all workers run without faults for a minute. Raise AssertionError for what is late after it.

    Late is what is still held though it could have gone when the minute began, and could go now. Nothing is checked
    where a worker has not noticed that it has lost partitions.
    """
    simulation.relay.script.clear()
    for index in (0, 1):
        simulation.resume(index)
        simulation.restart(index)
    simulation.rebalance(0.5)
    began_ms = simulation.clock.now
    while True:
        before = progress_of(simulation)
        for index in (0, 1):
            simulation.dispatch_due(index)
            for stage in simulation.stages:
                simulation.work(index, stage)
                simulation.commit(index, stage)
        check_step(simulation)
        if progress_of(simulation) == before:
            if simulation.clock.now >= began_ms + TICK_MS:
                break
            simulation.pass_time(5_000)
    if lag_of(
        simulation
    ):  # a consumer does not know that its partitions were stolen, and reads them no further
        return
    for entry in held_entries(simulation):
        name = f"{entry.delivery} for {entry.recipient} by {entry.channel}"
        reason = entry.newest_step.reason
        held = all(may_be_held(simulation, entry, at) for at in (began_ms, simulation.clock.now))
        assert held, f"{name} is late: held ({reason}) at {began_ms} and at {simulation.clock.now}"


def check_timed_settled(simulation: TimedSimulation) -> None:
    """Check that each item is in exactly one digest or was sent alone, and that inbox entries came at their time."""
    check_settled(simulation)
    for delivery, new_entry in simulation.ledger.known.items():
        entry = simulation.loop.done(simulation.ledger.entry(new_entry.event, delivery))
        if entry.state is State.digested:
            _check_digested(simulation, entry)
        if entry.channel == "inbox":
            _check_inbox(simulation, entry)
    for recipient, digest in simulation.pipeline.windows.windows:
        assert digest not in simulation.ledger.known, f"the window of {digest} for {recipient} is left"


def held_entries(simulation: TimedSimulation) -> list[Entry]:
    """Return the deliveries that are held until a time."""
    entries = [
        simulation.loop.done(simulation.ledger.entry(new_entry.event, delivery))
        for delivery, new_entry in simulation.ledger.known.items()
    ]
    return [e for e in entries if e.state is State.held and e.newest_step.reason in HELD_UNTIL_A_TIME]


def may_be_held(simulation: TimedSimulation, entry: Entry, at_ms: int) -> bool:
    """Return whether any rule holds a delivery at a time (ms), by a second implementation."""
    if entry.newest_step.reason is Reason.limit:
        return _waits_for_room(simulation, entry, at_ms)
    if entry.event not in simulation.published:
        return _holds_digest(simulation, entry, at_ms)
    window = simulation.pipeline.windows.windows.get((entry.recipient, entry.newest_step.detail))
    if window is not None:
        digest = entry.newest_step.detail
        own = simulation.loop.done(simulation.ledger.entry(event_of_delivery(digest), digest))
        return own is not None and own.state is State.held and may_be_held(simulation, own, at_ms)
    return _holds_alone(simulation, entry, at_ms)


def _waits_for_room(simulation: TimedSimulation, entry: Entry, at_ms: int) -> bool:
    """Return whether mail over a limit waits for a time that is to come, or its digest does."""
    waiting = [entry.delivery, entry.newest_step.detail]
    times = simulation.loop.done(simulation.due.times(waiting))
    return any(due_ms is not None and due_ms > at_ms for due_ms in times)


def _holds_alone(simulation: TimedSimulation, entry: Entry, at_ms: int) -> bool:
    declared = simulation.pipeline.catalogue[simulation.published[entry.event].type]
    received_ms = simulation.received_ms[entry.event]
    first_ms = base_ms = simulation.deliver_ms(entry.event, received_ms)
    if entry.channel == "email":
        base_ms = (first_ms or received_ms) + declared.mail_if_unread_s * 1000
    for number in range(1, REMINDERS + 1):
        if entry.delivery == reminder_id(entry.event, entry.recipient, number):
            base_ms += number * REMIND_S * 1000
    if at_ms < base_ms:
        return True
    return entry.channel == "email" and not _is_free(simulation, declared, entry.recipient, at_ms)


def _holds_digest(simulation: TimedSimulation, entry: Entry, at_ms: int) -> bool:
    """Return whether the time of a digest has not come by the slowest of its items, or is in quiet hours."""
    window = simulation.pipeline.windows.windows.get((entry.recipient, entry.delivery))
    if window is None:
        return False
    row = simulation.rows.current(entry.recipient)
    types = [simulation.pipeline.catalogue[item.type] for item in window.items.values()]
    due_ms = max((digest_ms(declared, row, window.opened_ms) for declared in types), default=0)
    return at_ms < due_ms or not all(_is_free(simulation, t, entry.recipient, at_ms) for t in types)


def _is_free(simulation: TimedSimulation, declared: NotificationType, recipient: str, at_ms: int) -> bool:
    if declared.mandatory or declared.lane is Lane.high:
        return True
    row = simulation.rows.current(recipient)
    windows = row.quiet_hours if row.quiet_hours is not None else declared.quiet_hours or ()
    return is_free(windows, row.timezone, at_ms)


def _check_digested(simulation: TimedSimulation, entry: Entry) -> None:
    """Check that the digest of an item has ended, and has carried it if it was sent."""
    digest = entry.newest_step.detail
    assert digest in simulation.ledger.known, (
        f"{entry.delivery} is in the digest {digest}, which the ledger does not know"
    )
    own = simulation.loop.done(simulation.ledger.entry(event_of_delivery(digest), digest))
    if own.state is State.sent:
        carried = simulation.time_rules.carried[entry.delivery]
        assert digest in carried, f"{entry.delivery} is lost: {digest} was sent without it"


def _check_inbox(simulation: TimedSimulation, entry: Entry) -> None:
    received_ms = simulation.ledger.event(entry.event).received_ms
    deliver_ms = simulation.deliver_ms(entry.event, received_ms)
    for step in entry.steps:
        if step.state is State.held:
            assert deliver_ms, f"the inbox entry {entry.delivery} was held ({step.reason})"
            assert step.reason in _SCHEDULED, f"the inbox entry {entry.delivery} was held ({step.reason})"
        if step.state is State.delivered:
            assert step.at_ms >= deliver_ms, f"the inbox entry {entry.delivery} came early"
