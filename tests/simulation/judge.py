"""The rules that must hold after every step, and those that must hold when everything has come to rest."""

import json
from collections import Counter

from service.model.ids import delivery_id
from service.model.ledger import State, is_open
from service.model.reasons import Reason
from tests.simulation.members import STAGES
from tests.simulation.world import PEOPLE, Spec, World

_MOST_ROUNDS = 400


def after_step(world: World) -> None:
    """Legal moves, no forbidden mail, bounded copies, counts equal to lists, and no stage that failed."""
    if world.broken:
        raise world.broken[0]
    world.ledger.check_touched()
    world.loop.done(_counts_fit(world))
    for delivery, copies in world.relay.accepted.items():
        bound = 1 + world.rules.crashes[delivery] + world.relay.unclear[delivery]
        assert copies <= bound, f"{delivery} was mailed {copies} times, at most {bound} can be explained"
    for member in world.members:
        for stage in member.stages.values():
            if stage.failures:
                raise stage.failures[0]


async def _counts_fit(world: World) -> None:
    for person in PEOPLE:
        count = sum((await world.real.inbox.counts(person)).values())
        unread = await world.real.inbox.unread(person)
        assert count == len(unread), f"{person} has {count} unread entries and a list of {len(unread)}"


def settle(world: World, *, fresh: bool = True) -> None:
    """Everything works again, and goes on until nothing is left to do; `fresh`: in new processes."""
    world.relay.script.clear()
    for place in (0, 1):
        if fresh:
            world.crash(place)
        world.resume(place)
        world.restart(place)
    for _ in range(_MOST_ROUNDS):
        world.rebalance(0.5)
        before = _progress(world)
        for place in (0, 1):
            world.hand_on_due(place)
            for stage in STAGES:
                world.work(place, stage)
                world.commit(place, stage)
        if _progress(world) == before:
            due = world.loop.done(world.real.due.oldest_ms())
            if due is None and not _behind(world):
                return
            world.pass_time(max(30_000, (due or 0) - world.clock.now))
    raise AssertionError(f"it does not come to rest: behind {_behind(world)}, open {_open(world)}")


def at_rest(world: World) -> None:
    """Every recipient × channel is in one final state, which fits what relay, inbox and outcomes saw."""
    for key, spec in world.published.items():
        for recipient, channel in expected(spec):
            name = f"{spec.id} for {recipient} by {channel}"
            delivery = delivery_id(key, recipient, channel)
            assert delivery in world.ledger.known, f"{name} is lost: the ledger does not know it"
            entry = world.loop.done(world.ledger.entry(key, delivery))
            state, reason = entry.state, entry.steps[0].reason
            closed = not is_open(state) or reason is Reason.awaiting_operator
            assert closed, f"{name} is lost: it is {state} for ever"
            mailed = world.relay.accepted[delivery]
            assert state is not State.sent or mailed, f"{name} is called sent, and no relay has it"
            if key in world.withdrawn:
                assert state is not State.delivered, f"{name} was withdrawn and is in the inbox"
    _inboxes_fit(world)
    _outcomes_fit(world)
    letters = world.kafka.messages("dispatch.dead-letter")
    reasons = {dict(letter.headers)["tocsin-reason"] for letter in letters}
    assert len(letters) >= world.invalid, "an invalid event is lost"
    assert reasons <= {b"unknown_type"}, f"dead letters nobody expects: {reasons}"


def expected(spec: Spec) -> set[tuple[str, str]]:
    """Who is to be found in the ledger: the audience of a type, worked out by hand."""
    people = set(spec.people)
    if spec.type == "payment_failed":
        return {("c1", "email"), ("c2", "email")}
    if spec.type == "overbid":
        people |= {"carol"}
    channels = ("email", "inbox") if spec.type in {"overbid", "winner"} else ("email",)
    return {(person, channel) for person in people for channel in channels}


def _inboxes_fit(world: World) -> None:
    shown = Counter(
        (item.event, item.recipient) for items in world.real.inbox._items.values() for item in items
    )
    doubled = [pair for pair, n in shown.items() if n > 1]
    assert not doubled, f"twice in an inbox: {doubled}"
    delivered = {
        (new_entry.event, new_entry.recipient)
        for new_entry in world.ledger.known.values()
        if world.ledger.standing(new_entry)[0] is State.delivered
    }
    assert delivered == set(shown), f"ledger and inboxes differ: {delivered ^ set(shown)}"


def _outcomes_fit(world: World) -> None:
    """A rebuild sees each final state: it was told at least once."""
    told = set()
    for record in world.kafka.messages("dispatch.outcomes"):
        outcome = json.loads(record.value or b"{}")
        told.add((outcome.get("delivery"), outcome.get("state")))
    untold = {
        (d, s)
        for d, new_entry in world.ledger.known.items()
        if (s := world.ledger.standing(new_entry)[0]) and (d, s.value) not in told
    }
    assert not untold, f"never told: {untold}"


def _progress(world: World) -> tuple[object, ...]:
    logs = sum(len(log) for log in world.kafka.logs.values())
    return logs, dict(world.kafka.committed), world.relay.accepted.total()


def _behind(world: World) -> dict[str, int]:
    """Records that a group has not committed."""
    found = {}
    for stage, topics in STAGES.items():
        for tp, log in world.kafka.logs.items():
            done = world.kafka.committed.get((stage, tp), 0)
            if tp.topic in topics and (left := sum(r.offset >= done for r in log)):
                found[f"{stage} {tp.topic}-{tp.partition}"] = left
    return found


def _open(world: World) -> list[tuple[str, str, State]]:
    standing = [(o.recipient, o.channel, world.ledger.standing(o)[0]) for o in world.ledger.known.values()]
    return [one for one in standing if is_open(one[2])]
