"""Mail that waits, while Redis is wiped, clocks jump, operators change it, sources withdraw it, and limits hold it."""

import asyncio
import signal
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from service.bootstrap.operator_services import operator_services
from service.model.holds.calendar import Frequency, QuietWindow
from service.model.ledger import State
from service.model.operation import OperationKind
from service.model.recipient import Choice, Recipient, preference_key
from service.pipeline.operate.due_list import DueFilter
from streams.kafka.connection import kafka_connection
from streams.reader.outcome_log import KafkaOutcomeLog
from streams.reader.record_log import KafkaRecordLog
from tests.chaos.clock import ShiftedClock
from tests.chaos.environment import SOURCE, STAGES, ChaosEnvironment
from tests.chaos.outages import flush, wait_until_paused, wait_until_quiet
from tests.chaos.pauses import state_of
from tests.chaos.relay import DeferringRelay, SlowRelay
from tests.chaos.stale_redis import assert_same_rows, ledger_rows
from tests.support.readiness import start_ready_worker
from tests.support.wait import eventually

_HOUR_S = 3600
_SETTLE_S = 240
_WITHDRAWN = 20
_REPLY_S = 0.3
_STEPS, _STEP_S, _APPLIED_S = 7, 9 * 60, 2.0
LIMIT = 4
"""Mails an hour in the scenario of limits."""


async def set_frequency(
    environment: ChaosEnvironment, names: Sequence[str], frequency: Frequency, **fields: Any
) -> None:
    """Write rows of recipients who have chosen how often mail of the type `winner` comes."""
    choice = Choice(on=True, frequency=frequency)
    writer = environment.pipeline.parts.table_writer(environment.pipeline.producer)
    for name in names:
        row = Recipient(
            id=name,
            address=f"{name}@chaos.test",
            preferences={preference_key("winner", "email"): choice},
            **fields,
        )
        await writer.recipient(name, lambda _, row=row: row)  # type: ignore[misc]


async def redis_wiped(environment: ChaosEnvironment) -> None:
    """Flush Redis while windows are open, and digests are deferred with their items in them; rebuild it."""
    relay = DeferringRelay(environment)
    hourly = environment.recipients[::2]
    await set_frequency(environment, hourly, Frequency.hourly)
    async with relay.server:
        relay.serve(environment)
        probe = await start_ready_worker(
            environment.pipeline, stages=f"{STAGES},tables", TOCSIN_SMTP__PORT=str(relay.server.port)
        )
        await environment.publish_load(150, rate_per_s=100)
        states = await _wait_for(environment, {State.held, State.deferred})
        before = await ledger_rows(environment)
        await asyncio.to_thread(flush, environment.servers.valkey.url)
        await wait_until_paused(probe, ("resolve", "inbox", "email.normal", "tables"))
        count = await wait_until_quiet(environment)
        code, _, output = await environment.pipeline.tocsin("rebuild", "--yes", "--json")
        assert code == 0, output
        assert_same_rows(before, await ledger_rows(environment))
        assert environment.mail_count() == count, "a message was sent from an empty Redis"
        await environment.publish_load(50, rate_per_s=100)
        await set_frequency(environment, hourly, Frequency.instant)
        environment.end_fault()
        await environment.wait_until_settled(environment.published, _SETTLE_S)
    environment.note = (
        f"{states[State.held]} items in open windows, {states[State.deferred]} in deferred digests"
    )


async def _wait_for(environment: ChaosEnvironment, states: set[State]) -> dict[State, int]:
    """Wait until all mail is in these states, some in each; an item of a digest that is not held has its state."""
    counts: dict[State, int] = {}

    async def all_wait() -> bool:
        counts.clear()
        entries = await environment.mail_entries()
        for entry in entries:
            counts[entry.state] = counts.get(entry.state, 0) + 1
        expected = len(environment.expected.mails)
        return set(counts) == states and sum(counts.values()) == expected

    await eventually(all_wait, _SETTLE_S, lambda: f"states: {counts}")
    return counts


async def quiet_hours_jump(environment: ChaosEnvironment) -> None:
    """Let the clock jump past the end of quiet hours, back into them, and past their end again.

    Nothing may be sent by a clock that shows quiet hours.
    """
    with TemporaryDirectory(prefix="tocsin-clock-") as folder:
        clock = ShiftedClock(Path(folder))
        now = datetime.now(UTC)
        start, end = (f"{now + timedelta(hours=hours):%H:%M}" for hours in (-1, 1))
        quiet = (QuietWindow(start=start, end=end),)
        await set_frequency(environment, environment.recipients, Frequency.instant, quiet_hours=quiet)
        for _ in range(2):
            environment.pipeline.start_worker(STAGES, module="tests.chaos.worker", **clock.variables)  # type: ignore[arg-type]
        sent = 0
        for _ in range(2):
            await environment.publish_load(80, rate_per_s=100)
            await _wait_for(environment, {State.held, State.sent} if sent else {State.held})
            assert environment.mail_count() == sent, "a message was sent in quiet hours"
            clock.jump(2 * _HOUR_S)
            environment.end_fault()
            await environment.wait_until_settled(environment.published, _SETTLE_S)
            sent = environment.mail_count()
            clock.jump(0)
            await asyncio.sleep(2.0)  # both workers have read the clock again
        environment.note = f"{sent} digests; " + ("libfaketime" if clock.library else "a wrapper")


async def operators_change(environment: ChaosEnvironment) -> None:
    """Release and retime items of digests under load, while these close at a slow relay: each comes once."""
    pipeline = environment.pipeline
    connection = kafka_connection(pipeline.settings.kafka)
    outcomes = KafkaOutcomeLog(connection, pipeline.parts.topics.outcomes)
    services = operator_services(pipeline.parts, pipeline.producer, KafkaRecordLog(connection), outcomes)
    log = services.operation_log("chaos", OperationKind.release, {})
    relay = SlowRelay(environment)
    relay.server.delay_s = _REPLY_S
    retimed = 0
    async with relay.server:
        relay.serve(environment)
        for _ in range(2):
            pipeline.start_worker(TOCSIN_SMTP__PORT=str(relay.server.port))
        async with environment.continuous_load(30):
            await environment.wait_for_mail(20)
            for _ in range(40):
                entries = await environment.mail_entries(environment.published[-200:])
                held = [entry.delivery for entry in entries if entry.state is State.held]
                chosen = DueFilter(ids=frozenset(environment.rng.sample(held, min(5, len(held)))))
                at_ms = pipeline.parts.clock.now_ms() + environment.rng.choice((0, 0, 2_000))
                if chosen.ids:
                    counts = await services.due_changes.retime(chosen, at_ms, log)
                    retimed += counts["retimed"]
                await asyncio.sleep(environment.rng.uniform(0.05, 0.4))
            environment.end_fault()
        await environment.wait_until_settled(environment.published, _SETTLE_S)
    assert retimed, "nothing was retimed"
    environment.note = f"{retimed} items released or retimed"


async def withdrawn_while_closing(environment: ChaosEnvironment, **email_worker: Any) -> None:
    """Stop a worker right before the items of digests are claimed, withdraw some, and let it continue: they do not go.

    The recheck before that has found them in order. No other worker has the stage.
    """
    fault = {"TOCSIN_FAULT_AT": "before_digested:1:stop"}
    withdrawn = [environment.unexpected_event() for _ in range(_WITHDRAWN)]
    first = environment.pipeline.start_worker("email", **fault, **email_worker)
    await start_ready_worker(environment.pipeline, stages="resolve,inbox,schedule")
    await environment.publish(withdrawn)
    await environment.publish_load(30, rate_per_s=100)
    await eventually(lambda: state_of(first.pid) == "T", _SETTLE_S)
    await withdraw(environment, withdrawn)
    first.send_signal(signal.SIGCONT)
    environment.end_fault()
    await environment.wait_until_settled(environment.published, _SETTLE_S)


async def digests_with_later_items(environment: ChaosEnvironment, **email_worker: Any) -> None:
    """Kill the email worker once windows are open; the next one reads their digests and later items in one batch."""
    await start_ready_worker(environment.pipeline, stages="resolve,inbox,schedule")
    first = environment.pipeline.start_worker("email", **email_worker)
    await environment.publish_load(60, rate_per_s=100)

    async def opened() -> bool:
        return any(entry.state is State.held for entry in await environment.mail_entries())

    await eventually(opened, _SETTLE_S)
    await environment.kill(first)
    await environment.publish_load(60, rate_per_s=100)
    due = environment.pipeline.parts.due

    async def dispatched() -> bool:
        resolved = len(await environment.mail_entries()) == len(environment.expected.mails)
        return resolved and not await due.count()

    await eventually(dispatched, _SETTLE_S)
    environment.pipeline.start_worker("email", **email_worker)
    environment.end_fault()


async def opening_items_withdrawn(environment: ChaosEnvironment) -> None:
    """Kill a worker that has opened windows and nothing more, and withdraw the items that opened them.

    Nothing reads these items again as mail, and later items find the windows open.
    """
    fault = {"TOCSIN_FAULT_AT": "after_windows.add_before_ledger:1"}
    first = environment.pipeline.start_worker(**fault)
    opening = [environment.unexpected_event(recipients=[name]) for name in environment.recipients]
    await environment.publish(opening)
    await asyncio.to_thread(first.wait, _SETTLE_S)
    assert first.returncode == -signal.SIGKILL, "no window was opened"
    await start_ready_worker(environment.pipeline, stages="resolve,inbox")
    await withdraw(environment, opening)
    await environment.publish_load(60, rate_per_s=100)
    environment.pipeline.start_worker("email,schedule")
    environment.end_fault()
    await environment.wait_until_settled(environment.published, _SETTLE_S)


async def withdraw(environment: ChaosEnvironment, events: Sequence[dict[str, Any]]) -> None:
    """Withdraw events, and wait until the ledger says so of all their mail that has not ended."""
    for event in events:
        environment.expected.entries -= {(event["id"], name) for name in event["recipients"]}
    await environment.publish(
        [
            {"id": f"w-{event['id']}", "source": SOURCE, "type": "withdraw", "data": {"id": event["id"]}}
            for event in events
        ]
    )
    await environment.pipeline.wait_for_withdrawals(len(events))


async def withdrawn_while_sent(environment: ChaosEnvironment) -> None:
    """Withdraw items of digests that a relay has deferred: the next attempt is without them. Withdraw others any time.

    An item whose digest is at the relay at that moment may come.
    """
    relay = DeferringRelay(environment)
    async with relay.server:
        relay.serve(environment)
        for _ in range(2):
            environment.pipeline.start_worker(TOCSIN_SMTP__PORT=str(relay.server.port))
        early = [environment.unexpected_event() for _ in range(_WITHDRAWN)]
        await environment.publish(early)
        await environment.publish_load(60, rate_per_s=100)

        async def deferred() -> bool:
            return {entry.state for entry in await environment.mail_entries()} == {State.deferred}

        await eventually(deferred, _SETTLE_S)
        await withdraw(environment, early)
        environment.end_fault()
        async with environment.continuous_load(20):
            for _ in range(10):
                late = [environment.unexpected_event() for _ in range(3)]
                for event in late:
                    names = event["recipients"]
                    environment.expected.optional |= {(event["id"], f"{name}@chaos.test") for name in names}
                await environment.publish(late)
                await asyncio.sleep(environment.rng.uniform(2.0, 5.0))  # a window is open for three seconds
                await withdraw(environment, late)
        await environment.wait_until_settled(environment.published, _SETTLE_S)


async def limits(environment: ChaosEnvironment, settle_s: float = _SETTLE_S, **workers: Any) -> None:
    """Send more than a limit allows by four workers, in three hours; clocks pass each in steps of minutes.

    By the workers' clock, no hour may have more messages to a recipient than the limit.
    """
    with TemporaryDirectory(prefix="tocsin-clock-") as folder:
        clock, read, times = ShiftedClock(Path(folder)), 0, defaultdict[str, list[float]](list)
        variables = {"TOCSIN_MAIL__LIMIT_PER_HOUR": str(LIMIT), **clock.variables, **workers}
        for _ in range(4):
            environment.pipeline.start_worker(STAGES, **{"module": "tests.chaos.worker", **variables})
        for _ in range(3):
            await environment.publish_load(150, rate_per_s=60)
            await _wait_for(environment, {State.held, State.sent})
            await eventually(lambda: _nothing_is_due(environment, clock.offset_s), _SETTLE_S)
            await wait_until_quiet(environment)
            mails = environment.mails()
            for mail in mails[: len(mails) - read]:
                times[mail.recipients[0]].append(mail.received_at.timestamp() + clock.offset_s)
            read = len(mails)
            for _ in range(_STEPS):  # the clocks of workers may differ by ten minutes
                clock.jump(clock.offset_s + _STEP_S)
                await asyncio.sleep(_APPLIED_S)
        counts = [_most_in_an_hour(one) for one in times.values()]
        environment.over_limit = sum(count > LIMIT for count in counts)
        environment.note = (
            f"{read} messages in three hours, at most {max(counts)} to one recipient in an hour"
        )
        environment.end_fault()
        await environment.wait_until_settled(environment.published, settle_s)


async def _nothing_is_due(environment: ChaosEnvironment, offset_s: int) -> bool:
    parts = environment.pipeline.parts
    oldest_ms = await parts.due.oldest_ms()
    return oldest_ms is None or oldest_ms > parts.clock.now_ms() + offset_s * 1000


def _most_in_an_hour(times: Sequence[float]) -> int:
    """Return the largest number of times (s) within an hour."""
    return max((sum(start <= at < start + _HOUR_S for at in times) for start in times), default=0)
