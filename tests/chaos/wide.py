"""One event for thousands of recipients, whose workers are killed while it is resolved and delivered."""

import asyncio
from bisect import bisect_right

from service.dev.samples import RECIPIENTS as SAMPLES
from service.model.ids import event_key
from service.model.recipient import Recipient
from service.pipeline.resolve.stage import CHUNK
from tests.chaos.environment import SOURCE, ChaosEnvironment
from tests.chaos.fork_server import WorkerForkServer
from tests.chaos.scenario import Act
from tests.support.wait import eventually

_ROLE, _TYPE = "admin", "auction_finished"
_HOLDERS = 14_000
_KILL_TIMEOUT_S = 60.0
_PIECES = 10
"""Resolve is killed when it enters this piece of the event, counted from where it began or continued."""


def wide_event(resolve_kills: int, delivery_kills: int) -> Act:
    """Return an act in which workers of resolve die within the event, and those of inbox and email at random points.

    Resolve must continue where it has died, and not begin again.
    """

    async def act(environment: ChaosEnvironment) -> None:
        await _add_holders(environment)
        environment.expected_event(type=_TYPE, recipients=environment.recipients)
        event = {"id": environment.published[-1], "source": SOURCE, "type": _TYPE}
        await environment.publish([event | {"data": {"lot_id": event["id"]}}])
        async with WorkerForkServer(environment.pipeline) as server:
            reached, _ = await asyncio.gather(
                _kill_resolve(environment, server, resolve_kills),
                _kill_deliveries(environment, server, delivery_kills),
            )
            environment.end_fault()
            await environment.wait_until_settled(environment.published, 240)
        environment.note = f"{_HOLDERS} recipients; resolve was killed after {', '.join(map(str, reached))}"
        # From the beginning, no worker would have come so far.
        assert reached[-1] > _PIECES * CHUNK, f"resolve began again: {environment.note}"

    return act


async def _add_holders(environment: ChaosEnvironment) -> None:
    """Add the holders of the role; who holds it already is not one of the scenario's recipients."""
    names = [f"w{n}" for n in range(_HOLDERS)]
    await environment.pipeline.parts.writes.put_recipients(
        [Recipient(id=name, address=f"{name}@chaos.test", roles=(_ROLE,), version=1) for name in names]
    )
    for sample in SAMPLES:
        if _ROLE in sample.roles:
            await environment.pipeline.parts.writes.delete_recipient(sample.id, sample.version + 1)
    environment.recipients = names


async def _kill_resolve(environment: ChaosEnvironment, server: WorkerForkServer, times: int) -> list[int]:
    """Let the worker of resolve die at a piece of the event, as often; then start one that does not.

    Return how many recipients came before the position that each left.
    """
    ids, reached = sorted(environment.recipients), list[int]()
    key = event_key(SOURCE, environment.published[-1])
    for _ in range(times):
        worker = await server.fork("resolve", TOCSIN_FAULT_AT=f"before_ledger.open:{_PIECES}")

        async def dead() -> bool:
            return not worker.running  # noqa: B023 - it is awaited before the next one starts

        await eventually(dead, _KILL_TIMEOUT_S, lambda: "resolve never passed its point")
        fan_out = await environment.pipeline.parts.fan_outs.get(key)
        reached.append(bisect_right(ids, fan_out.cursor) if fan_out else 0)
    await server.fork("resolve")
    return reached


async def _kill_deliveries(environment: ChaosEnvironment, server: WorkerForkServer, times: int) -> None:
    """Kill the worker of inbox or email, as often, when so many mails have been sent."""
    stages = ("inbox", "email,schedule")
    workers = {names: await server.fork(names) for names in stages}
    for mark in sorted(environment.rng.randrange(_HOLDERS // 20, _HOLDERS * 9 // 10) for _ in range(times)):
        if (missing := mark - environment.mail_count()) > 0:
            await environment.wait_for_mail(missing)
        names = environment.rng.choice(stages)
        await environment.kill(workers[names])
        workers[names] = await server.fork(names)
