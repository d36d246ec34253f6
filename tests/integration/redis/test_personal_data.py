"""What Redis keeps of a person: all of it is found, and after forgetting none of it is left."""

from redis.asyncio import Redis

from service.adapters.redis.client import Store
from service.adapters.redis.inbox.inbox import RedisInbox
from service.adapters.redis.ledger.ledger import RedisLedger
from service.adapters.redis.operate.personal_data import RedisPersonalData
from service.model.event import Event
from service.model.ids import delivery_id, event_key
from service.model.ledger import NewEntry, State, Transition
from service.model.reasons import Reason
from service.ports import EventHead, InboxItem
from tests.fakes.clock import FakeClock


async def test_nothing_is_left(store: Store, raw: "Redis[bytes]") -> None:
    """Index, inbox with its traces, and in narrow and sharded events the recipient and the details; states stay."""
    ledger, clock = RedisLedger(store), FakeClock()
    inbox, personal = RedisInbox(store, clock), RedisPersonalData(store, RedisLedger(store), clock)
    openings = []
    for name, sharded in (("narrow", False), ("sharded", True)):
        key = event_key("s", name)
        event = Event(key, name, "s", "overbid", 1, 1, {})
        openings = [
            NewEntry(
                key,
                delivery_id(key, who, "email"),
                who,
                "email",
                State.queued,
                Reason.none,
                1,
                "x",
                "users",
                "sc",
            )
            for who in ("alice", "bob")
        ]
        await ledger.open([EventHead(event, 600, sharded)], openings)
        sending = [Transition(key, o.delivery, State.sending, Reason.none, 2, 1, owner="w") for o in openings]
        refused = [
            Transition(key, o.delivery, State.bounced, Reason.permanent, 3, 1, "550 <alice@x.y>")
            for o in openings
        ]
        await ledger.transition([*sending, *refused])
    items = [InboxItem(f"i{n}", "alice", "overbid", 6, n, {"n": n}) for n in range(620)]
    await inbox.add(items)
    await inbox.mark_read("alice", ["i1", "i2"], 5)
    await inbox.remove("alice", ["i619"])

    assert [item.id for item in await personal.entries("alice")] == [item.id for item in items[:619]]
    pairs = await personal.deliveries("alice")
    assert len(pairs) == 2
    assert await personal.anonymise([*pairs, (pairs[0][0], "0" * 24)], "erased-1") == 2
    await inbox.remove("alice", [item.id for item in items])
    await personal.forget("alice")

    prefix = store.keys.prefix
    assert [key async for key in raw.scan_iter(f"{prefix}*alice*")] == []
    for event, delivery in pairs:
        entry = await ledger.entry(event, delivery)
        assert entry is not None
        assert (entry.recipient, entry.channel, entry.rule, entry.matched) == (
            "erased-1",
            "email",
            "users",
            "sc",
        )
        assert [step.state for step in entry.steps] == [State.bounced, State.sending, State.queued]
        assert {step.detail for step in entry.steps} == {""}
        others = {e.recipient: e.steps[0].detail async for e in ledger.entries(event)}
        assert others == {"erased-1": "", "bob": "550 <alice@x.y>"}
    assert await personal.entries("alice") == []
