"""Audit over a real Redis and a real cluster: every delivery is counted once, drift is detected and repaired."""

from collections.abc import Mapping

from service.adapters.redis.client import Store
from service.adapters.redis.ledger.rows import restored_row
from service.adapters.redis.operate.address_search import RedisAddressSearch
from service.adapters.redis.operate.ledger_scan import RedisLedgerScan
from service.model.catalogue import AudienceRule, Lane
from service.model.delivery import Delivery
from service.model.event import Event
from service.model.holds.digest import DigestItem, digest_of
from service.model.ids import delivery_id, event_key
from service.model.ledger import HistoryStep, NewEntry, State, Transition
from service.model.reasons import Reason
from service.model.recipient import Contact, Recipient
from service.model.restored_history import LoggedDelivery
from service.pipeline.operate.audit import Auditor
from service.ports import EventHead, InboxItem
from tests.fakes.clock import FakeClock
from tests.specs.backend import Backend, redis_backend
from tests.support.completeness import mark_complete
from tests.support.ledger_rows import put_row


class Log:
    """Implements the DeliveryLog port over a list."""

    def __init__(self, *deliveries: Delivery) -> None:
        self._all = deliveries

    async def find(self, delivery_ids: frozenset[str]) -> Mapping[str, Delivery]:
        return {d.id: d for d in self._all if d.id in delivery_ids}


def new_entry(event: str, recipient: str, state: State = State.queued) -> NewEntry:
    return NewEntry(event, delivery_id(event, recipient, "email"), recipient, "email", state, Reason.none, 5)


def row(one: NewEntry, *states: State, reason: Reason = Reason.none) -> bytes:
    """Return the row of a delivery with these states, the newest first, and the reason of the newest."""
    times = range(5, 5 + len(states))
    steps = [
        HistoryStep(state, reason if n == 0 else Reason.none, at_ms, int(state is not State.queued))
        for n, (state, at_ms) in enumerate(zip(states, reversed(times), strict=True))
    ]
    return restored_row(LoggedDelivery(one.event, one.delivery, "r", "email", "users", "", 5), steps, b"")


def delivery(event: str, recipient: str) -> Delivery:
    return Delivery(
        id=delivery_id(event, recipient, "email"), event=event, event_id="1", source="/t", type="t",
        channel="email", recipient=recipient, rule=AudienceRule.users, created_ms=0, received_ms=0, deadline_ms=9,
    )  # fmt: skip


def audit_of(store: Store, backend: Backend) -> Auditor:
    scan = RedisLedgerScan(store, FakeClock())
    return Auditor(backend.ledger, backend.due, backend.windows, scan, FakeClock(), patience_s=0)


async def test_everything_is_counted_once(store: Store) -> None:
    """Narrow and wide events, in any slot; the oldest delivery of each open state is reported."""
    backend = redis_backend(store)
    wide = EventHead(Event(f"{0:024x}", "1", "/t", "t", 0, 0, {}), 60, 700)
    await backend.ledger.open([wide], [new_entry(f"{0:024x}", f"r{n}") for n in range(700)])
    await backend.ledger.open([], [new_entry(f"{n:024x}", "r", State.skipped) for n in range(1, 300)])
    done = (await audit_of(store, backend)()).document()

    assert (done["events"], done["resolved"], done["balanced"]) == (300, 999, True)
    assert (done["final"], done["open"]) == ({"skipped": 299}, {"queued": 700})
    assert done["oldest_open"]["queued"]["since_ms"] == 5
    assert done["drift_left"] == 0


async def test_drift_is_detected_and_repaired(store: Store) -> None:
    """Deferred deliveries that are not in the due set, entries of the due set without need, and wrong counts."""
    backend = redis_backend(store)
    lost, kept, closed, gone = (f"{n:024x}" for n in (1, 2, 3, 4))
    await backend.ledger.open([], [new_entry(e, "{r}") for e in (lost, kept, closed, gone)])
    for event, to in (
        (lost, State.deferred),
        (kept, State.deferred),
        (closed, State.sent),
        (gone, State.deferred),
    ):
        steps = [
            Transition(event, delivery_id(event, "{r}", "email"), s, Reason.none, 6)
            for s in (State.sending, to)
        ]
        await backend.ledger.transition(steps)
    await backend.due.add([delivery(e, "{r}") for e in (kept, closed, "f" * 24)], [10**14] * 3)
    await backend.inbox.add([InboxItem("i1", "{r}", "t", 1, 5, {}), InboxItem("i2", "{r}", "t", 1, 6, {})])
    await store.pipeline([("HINCRBY", f"{store.keys.inbox('{r}')}:counts", "t", 7)])
    audit = audit_of(store, backend)
    report = await audit()

    assert sorted((one.kind, one.name.partition(":")[0]) for one in report.drift) == [
        ("due missing", lost), ("due missing", gone), ("due unneeded", closed), ("due unneeded", "f" * 24),
        ("inbox", "{r}"),
    ]  # fmt: skip
    repaired = await audit(Log(delivery(lost, "{r}")))
    assert [one.name.partition(":")[0] for one in repaired.drift if not one.repaired] == [gone]
    assert [one.kind for one in (await audit()).drift] == ["due missing"]
    (at_ms,) = await backend.due.times([delivery_id(lost, "{r}", "email")])
    assert at_ms == FakeClock().now_ms()
    assert await backend.inbox.counts("{r}") == {"t": 2}
    assert await backend.drift("{r}") == []
    assert await backend.inbox.mark_read("{r}", ["i1"], 9) == [True]
    assert await backend.drift("{r}") == []


async def test_what_is_held_is_in_the_due_set_or_in_its_digest(store: Store) -> None:
    """An item waits in the window of its digest while that has not ended; for an operator nothing waits anywhere."""
    backend = redis_backend(store)
    item, lost, alone, stopped = (delivery(f"{n:024x}", "r") for n in range(4))
    digest = digest_of(item, "g", 5)
    await backend.windows.add([DigestItem(item, "g|", digest, 10**13)])
    await backend.due.add([digest], [10**13], [State.held], [Reason.digest])
    held = [
        NewEntry(one.event, one.id, "r", "email", State.held, reason, 5, detail)
        for one, reason, detail in (
            (item, Reason.digest, digest.id),
            (lost, Reason.digest, digest.id),
            (alone, Reason.quiet_hours, ""),
            (stopped, Reason.awaiting_operator, ""),
            (digest, Reason.digest, "g"),
        )
    ]
    await backend.ledger.open([], held)
    audit = audit_of(store, backend)
    assert {(one.kind, one.name) for one in (await audit()).drift} == {
        ("due missing", f"{one.event}:{one.id}") for one in (lost, alone)
    }
    repaired = await audit(Log(lost, alone))
    assert [one.repaired for one in repaired.drift] == [True, True]
    assert (await audit()).drift == []
    assert await backend.due.held_by_reason() == {
        (Lane.normal, Reason.digest): 2,
        (Lane.normal, Reason.quiet_hours): 1,
    }
    end = Transition(digest.event, digest.id, State.skipped, Reason.by_operator, 9)
    await backend.ledger.transition([end])
    await backend.due.drop([digest.id])
    assert [one.name for one in (await audit()).drift] == [f"{item.event}:{item.id}"]


async def test_a_replay_is_no_drift(store: Store) -> None:
    """What an operator sent again went from `sent` to `queued`: only a replay may do so."""
    backend = redis_backend(store)
    first, second = (new_entry(f"{n:024x}", "r") for n in (1, 2))
    await backend.ledger.open([], [first, second])
    for one, reason in ((first, Reason.replayed), (second, Reason.none)):
        await put_row(
            store,
            one.delivery,
            row(one, State.queued, State.sent, State.sending, State.queued, reason=reason),
        )
    report = await audit_of(store, backend)()

    assert [drift.name for drift in report.drift] == [f"{second.event}:{second.delivery}"]


async def test_invalid_ledger_rows_are_drift(store: Store) -> None:
    """Rows that cannot be read, and histories with transitions that are not allowed, are drift."""
    backend = redis_backend(store)
    opened = [new_entry(event_key("/t", f"{n}"), "r") for n in range(5)]
    await backend.ledger.open([], opened)
    jumped, *broken = opened
    await put_row(store, jumped.delivery, row(jumped, State.sent, State.queued))
    for one, octets in zip(broken, (b"", b"nonsense", b"\xff", row(jumped, State.queued)[:-1]), strict=True):
        await put_row(store, one.delivery, octets)
    done = (await audit_of(store, backend)()).document()

    assert {one["what"]: one["said"] for one in done["drift"]} == {
        f"{jumped.event}:{jumped.delivery}": "went from queued to sent, which the ledger does not allow",
    } | {f"{one.event}:{one.delivery}": "the row cannot be read" for one in broken}
    assert not done["balanced"]


async def test_an_address_is_searched_in_every_table(store: Store) -> None:
    """The search finds recipients and contacts, ignoring case."""
    backend = redis_backend(store)
    await mark_complete(store)
    await backend.writes.put_recipients(
        [Recipient(id=f"r{n}", address=f"A{n % 3}@example.com", version=1) for n in range(6)]
    )
    await backend.writes.put_contacts([Contact(uuid="c", account="a", email="a1@Example.com", version=1)])

    assert list(await RedisAddressSearch(store).find("a1@example.com")) == ["c", "r1", "r4"]
    assert list(await RedisAddressSearch(store).find("other@example.com")) == []
