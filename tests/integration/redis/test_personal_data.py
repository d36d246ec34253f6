"""The data of a person outside the tables: exported in full, and erased in full."""

from redis.asyncio import Redis

from service.adapters.redis.client import Store
from service.adapters.redis.delivery.digest_windows import RedisDigestWindows
from service.adapters.redis.delivery.due import RedisDueSet
from service.adapters.redis.delivery.mail_limits import RedisMailLimits
from service.adapters.redis.inbox.inbox import RedisInbox
from service.adapters.redis.ledger.ledger import RedisLedger
from service.adapters.redis.operate.personal_data import RedisPersonalData
from service.model.catalogue import AudienceRule, Lane
from service.model.channels import Channel
from service.model.delivery import Delivery
from service.model.event import Event
from service.model.holds.digest import DigestItem, digest_of
from service.model.ids import delivery_id, event_key
from service.model.ledger import NewEntry, State, Transition
from service.model.reasons import Reason
from service.ports import EventHead, InboxItem, LimitedMail, MailAllowance
from tests.fakes.clock import FakeClock


def delivery_of(n: int) -> Delivery:
    event = event_key("d", str(n))
    return Delivery(
        id=delivery_id(event, "alice", "email"), event=event, event_id=str(n), source="d", type="overbid",
        channel=Channel.email, recipient="alice", rule=AudienceRule.users, created_ms=1, received_ms=n,
        deadline_ms=9 * 10**12,
    )  # fmt: skip


async def test_no_key_or_value_is_left(store: Store, raw: "Redis[bytes]") -> None:
    """Index, inbox, change stream, and the recipient and details in ledger entries are erased; states stay."""
    clock = FakeClock()
    ledger = RedisLedger(store)
    inbox, personal = RedisInbox(store, clock), RedisPersonalData(store, ledger, clock)
    for name, sharded in (("small", False), ("sharded", True)):
        key = event_key("s", name)
        event = Event(key, name, "s", "overbid", 1, 1, {})
        new_entries = [
            NewEntry(
                key,
                delivery_id(key, recipient, "email"),
                recipient,
                "email",
                State.queued,
                Reason.none,
                1,
                "x",
                "users",
                "sc",
            )
            for recipient in ("alice", "bob")
        ]
        await ledger.open([EventHead(event, 600, sharded)], new_entries)
        sending = [
            Transition(key, o.delivery, State.sending, Reason.none, 2, 1, owner="w") for o in new_entries
        ]
        refused = [
            Transition(key, o.delivery, State.bounced, Reason.permanent, 3, 1, "550 <alice@x.y>")
            for o in new_entries
        ]
        await ledger.transition([*sending, *refused])
    items = [InboxItem(f"i{n}", "alice", "overbid", 6, n, {"n": n}) for n in range(620)]
    await inbox.add(items)
    await inbox.mark_read("alice", ["i1", "i2"], 5)
    await inbox.remove("alice", ["i619"])

    windows, limits = RedisDigestWindows(store), RedisMailLimits(store)
    waiting = [delivery_of(n) for n in range(3)]
    digest = digest_of(waiting[0], "g", 5)
    await windows.add([DigestItem(one, "g|", digest, 9 * 10**12) for one in waiting])
    await limits.take(
        [
            LimitedMail("alice", one.id, "overbid", Lane.normal, MailAllowance(hour=2, type_day=2))
            for one in waiting
        ],
        9,
    )
    await RedisDueSet(store).add([digest], [9 * 10**12], [State.held], [Reason.digest])

    assert {name: list(of) for name, of in (await personal.digests("alice")).items()} == {digest.id: waiting}
    assert await personal.mails("alice") == {one.id: 9 for one in waiting[:2]}
    assert await personal.digests("bob") == await personal.mails("bob") == {}
    assert [item.id for item in await personal.entries("alice")] == [item.id for item in items[:619]]
    pairs = await personal.deliveries("alice")
    assert len(pairs) == 2
    assert await personal.anonymise([*pairs, (pairs[0][0], "0" * 24)], "erased-1") == 2
    await inbox.remove("alice", [item.id for item in items])
    await RedisDueSet(store).drop([digest.id])
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
        others = {e.recipient: e.newest_step.detail async for e in ledger.entries(event)}
        assert others == {"erased-1": "", "bob": "550 <alice@x.y>"}
    assert await personal.entries("alice") == []
