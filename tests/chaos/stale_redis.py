"""A Redis that comes back with older data: a replica that is behind is promoted, or the power fails."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from service.dev.ports import free_port
from service.model.ledger import State, is_open
from service.model.recipient import Choice, Recipient, preference_key
from service.ports import Unavailable
from tests.chaos.environment import SOURCE, STAGES, ChaosEnvironment
from tests.chaos.scenario import Act
from tests.support.readiness import start_ready_worker, wait_until_ready
from tests.support.wait import eventually

_GAP_S = 5.0
_EVENTS_EACH = 10
_OFF = {preference_key("winner", channel): Choice(on=False) for channel in ("email", "inbox")}
_DEFERRED = "deferred@simulator.test"


def stale_failover(*, killed: bool) -> Act:
    """Return an act in which a replica is promoted that is five seconds behind; its primary is demoted or killed."""

    async def act(environment: ChaosEnvironment) -> None:
        pair = environment.servers.lagging

        async def go_back() -> None:
            if killed:
                await asyncio.to_thread(pair.primary.kill)
            await pair.fail_over(demote=not killed)

        await _act(environment, pair.wait_until_replicated, pair.hold_replication, go_back)

    return act


async def stale_failover_with_digests(environment: ChaosEnvironment) -> None:
    """Promote a replica that is five seconds behind, while digests are opened and sent: it lacks items and digests."""
    pair = environment.servers.lagging
    await start_ready_worker(environment.pipeline, stages=f"{STAGES},tables")
    async with environment.continuous_load(20):
        await environment.wait_for_mail(20)
        await pair.wait_until_replicated()
        pair.hold_replication()
        await environment.wait_for_mail(10)
        await asyncio.sleep(_GAP_S)
        await asyncio.to_thread(pair.primary.kill)
        await pair.fail_over(demote=False)
        environment.note = f"caught up, {await _wait_until_caught_up(environment)} records"
        environment.end_fault()
        await environment.wait_for_mail(10)


async def stale_cluster_failover(environment: ChaosEnvironment) -> None:
    """Kill a primary of a cluster whose replica is five seconds behind; the other servers keep what they have."""
    cluster = environment.servers.cluster
    victim = await asyncio.to_thread(cluster.primary_of, 0)

    async def nothing() -> None:
        pass

    async def go_back() -> None:
        await asyncio.to_thread(victim.kill)

        async def replaced() -> bool:
            return await asyncio.to_thread(cluster.primary_of, 0) is not victim

        await eventually(replaced, 60)

    await _act(environment, nothing, lambda: cluster.hold_replication(victim), go_back)


async def power_failure(environment: ChaosEnvironment) -> None:
    """Kill Redis, and cut off what it has written to its file in the last seconds."""
    valkey, sizes = environment.servers.valkey, dict[Any, int]()

    async def nothing() -> None:
        pass

    def note_sizes() -> None:
        sizes.update({path: path.stat().st_size for path in (valkey.directory / "appendonlydir").iterdir()})

    async def go_back() -> None:
        await asyncio.to_thread(valkey.kill)
        for path, size in sizes.items():
            if path.name.endswith(".aof") and path.exists():
                with path.open("r+b") as file:
                    file.truncate(size)
        await asyncio.to_thread(valkey.start)

    await _act(environment, nothing, note_sizes, go_back)


async def _act(
    environment: ChaosEnvironment,
    settle: Callable[[], Awaitable[None]],
    begin_gap: Callable[[], None],
    go_back: Callable[[], Awaitable[None]],
) -> None:
    """Change rows, defer mail and read entries in the seconds that Redis then forgets; all of it must hold."""
    rows = {name: Recipient(id=name, address=f"{name}@chaos.test") for name in ("moved", "quiet", "reader")}
    rows["waiting"] = Recipient(id="waiting", address=_DEFERRED)
    for row in rows.values():
        await _write(environment, row)
    probe = free_port()
    environment.pipeline.start_worker(f"{STAGES},tables", TOCSIN_WORKER__METRICS_PORT=str(probe))
    await wait_until_ready(f"http://127.0.0.1:{probe}/readyz")
    async with environment.continuous_load(20):
        await environment.wait_for_mail(100)
        await _notify(environment, "reader", ["reader@chaos.test"])
        await settle()
        begin_gap()
        await _write(environment, rows["moved"].model_copy(update={"address": "new@chaos.test"}))
        await _write(environment, rows["quiet"].model_copy(update={"preferences": _OFF}))
        await _read(environment, "reader")
        waiting = await _notify(environment, "waiting", ["waited@chaos.test"], State.deferred)
        await asyncio.sleep(_GAP_S)
        before = await ledger_rows(environment)
        await go_back()
        started = asyncio.get_running_loop().time()
        await environment.publish(
            [*_events(environment, "moved", ["new@chaos.test"]), *_events(environment, "quiet", [])]
        )
        last = await _wait_until_caught_up(environment)
        environment.end_fault()
        took_s = asyncio.get_running_loop().time() - started
        assert_same_rows(before, await ledger_rows(environment))
        assert await environment.pipeline.parts.inbox.unread("reader") == []
        # Their next attempt finds a mailbox that takes them.
        await _write(environment, rows["waiting"].model_copy(update={"address": "waited@chaos.test"}))
        await environment.wait_until_settled(waiting, 300)
    environment.note = f"caught up in {took_s:.0f} s, {last} records; {len(before)} rows as before"


def _events(environment: ChaosEnvironment, name: str, addresses: list[str]) -> list[dict[str, Any]]:
    """Return events for one recipient, and expect their messages at these addresses."""
    events = [environment.unexpected_event(recipients=[name]) for _ in range(_EVENTS_EACH)]
    environment.expected.mails |= {(event["id"], address) for event in events for address in addresses}
    return events


async def _notify(
    environment: ChaosEnvironment, name: str, addresses: list[str], state: State = State.sent
) -> list[str]:
    """Publish events for one recipient; return their ids once their mail is in a state."""
    events = _events(environment, name, addresses)
    await environment.publish(events)
    pipeline = environment.pipeline

    async def arrived() -> bool:
        for event in events:
            entries = await pipeline.entries(SOURCE, event["id"])
            if [e.state for e in entries if e.channel == "email"] != [state]:
                return False
        return True

    await eventually(arrived, 120)
    return [event["id"] for event in events]


async def _write(environment: ChaosEnvironment, row: Recipient) -> None:
    """Write a recipient as the API does, and again while Redis is unavailable, as its clients do."""
    writer = environment.pipeline.parts.table_writer(environment.pipeline.producer)
    async with asyncio.timeout(120):
        while True:
            try:
                await writer.recipient(row.id, lambda _: row)
            except Unavailable:
                await asyncio.sleep(0.2)
            else:
                return


async def _read(environment: ChaosEnvironment, name: str) -> None:
    from tests.e2e.test_rebuild import read_marker

    assert await read_marker(environment.pipeline).mark_all(name)


async def _wait_until_caught_up(environment: ChaosEnvironment) -> int:
    """Wait until a catch-up has ended and the state is whole; return the number of its records."""
    parts, records = environment.pipeline.parts, 0

    async def whole() -> bool:
        nonlocal records
        try:
            last = await parts.history.last_catch_up()
            if last is None or not last.ended_ms or await parts.completeness.incomplete() is not None:
                return False
        except Unavailable:
            return False
        records = last.records
        return True

    await eventually(whole, 180)
    return records


async def ledger_rows(environment: ChaosEnvironment) -> dict[str, tuple[Any, ...]]:
    """Return the closed deliveries, each with its steps but the claims, of which there are no outcomes."""
    entries = await environment._read_ledger(environment.published)
    return {
        entry.delivery: tuple(
            (step.state, step.reason, step.at_ms, step.attempt)
            for step in entry.steps
            if step.state is not State.sending
        )
        for ones in entries.values()
        for entry in ones
        if not is_open(entry.state) or entry.state is State.deferred
    }


def assert_same_rows(before: dict[str, tuple[Any, ...]], after: dict[str, tuple[Any, ...]]) -> None:
    """Raise AssertionError unless every row of `before` is the same in `after`."""
    differing = {name: (row, after.get(name)) for name, row in before.items() if after.get(name) != row}
    assert not differing, f"{len(differing)} rows differ, as {next(iter(differing.items()))}"
