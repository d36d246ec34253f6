"""Processes that are stopped for half a minute, blocked event loops, and a stop with messages at a slow relay."""

import asyncio
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx

from service.dev.ports import free_port
from tests.chaos.environment import CONNECTIONS, ChaosEnvironment
from tests.chaos.relay import DeferringRelay, SlowRelay
from tests.chaos.scenario import Act
from tests.chaos.worker import BLOCK_SIGNAL, BLOCKED_S
from tests.support.api_process import api_server
from tests.support.readiness import wait_until_ready
from tests.support.wait import eventually

PAUSED_S = 25.0
"""Longer than the heartbeat of a claim (8 s), a group's session (10 s) and a poll."""
_LEASED_S = 40.0  # longer than the lease of a due delivery
_SLOW_ANSWER_S = 40.0
_BACKLOG = 350
_REPLY_S = 0.1
_READY_TIMEOUT_S = 240
_API_EVENTS, _UPSTREAMS, _API_TIMEOUT_S = 400, 8, 5.0
_WORKER = "tests.chaos.worker"

Fault = Callable[[subprocess.Popen[bytes]], None]


def _stop(worker: subprocess.Popen[bytes]) -> None:
    worker.send_signal(signal.SIGSTOP)


def _block(worker: subprocess.Popen[bytes]) -> None:
    worker.send_signal(BLOCK_SIGNAL)


def email_worker_paused(*, blocked: bool = False) -> Act:
    """Return an act that pauses one of two email workers while a backlog goes to a slow relay.

    Only messages that the relay had at that moment, and whose reply was not stored, may come twice.
    """
    fault, lasts_s = (_block, BLOCKED_S) if blocked else (_stop, PAUSED_S)

    async def act(environment: ChaosEnvironment) -> None:
        async with _slow_relay(environment, _REPLY_S) as relay:
            # With a short drain the other worker has the partitions long before this one continues.
            variables = {"TOCSIN_SMTP__PORT": str(relay.server.port), "TOCSIN_WORKER__DRAIN": "3"}
            paused, *_ = await _ready_workers(
                environment, ("email", "email", "resolve,inbox,schedule"), **variables
            )
            await environment.publish_load(_BACKLOG, rate_per_s=2000)
            await environment.wait_for_mail(60)
            fault(paused)
            await environment.count_claims(of_all=True)
            await asyncio.sleep(lasts_s)
            paused.send_signal(signal.SIGCONT)
            environment.end_fault()
            environment.note = f"{environment.mail_bound} of {environment.claimed_count} claims at the relay"
            await environment.wait_until_settled(environment.published, 300)
            assert environment.mail_bound <= 2 * (CONNECTIONS + 20), "more is at the relay than it can be"

    return act


async def _ready_workers(
    environment: ChaosEnvironment, stages: Sequence[str], **variables: str
) -> list[subprocess.Popen[bytes]]:
    """Start workers, and wait until each has its partitions, so that the load is shared."""
    workers, probes = [], [str(free_port()) for _ in stages]
    for names, probe in zip(stages, probes, strict=True):
        variables["TOCSIN_WORKER__METRICS_PORT"] = probe
        workers.append(environment.pipeline.start_worker(names, module=_WORKER, **variables))
    for probe in probes:
        await wait_until_ready(f"http://127.0.0.1:{probe}/readyz", _READY_TIMEOUT_S)
    return workers


@asynccontextmanager
async def _slow_relay(environment: ChaosEnvironment, reply_s: float) -> AsyncIterator[SlowRelay]:
    """Let messages go to a relay that answers each after `reply_s` seconds."""
    relay = SlowRelay(environment)
    relay.server.delay_s = reply_s
    async with relay.server:
        relay.serve(environment)
        yield relay


def worker_paused(stages: str) -> Act:
    """Return an act that pauses one of two workers of some stages under load; nothing may come twice."""
    others = "".join(f",{stage}" for stage in ("resolve", "inbox") if stage not in stages)

    async def act(environment: ChaosEnvironment) -> None:
        paused, *_ = await _ready_workers(environment, (stages, stages, "email,schedule" + others))
        async with environment.continuous_load(40):
            await environment.wait_for_mail(50)
            _stop(paused)
            await asyncio.sleep(PAUSED_S)
            paused.send_signal(signal.SIGCONT)
            environment.end_fault()
            await environment.wait_for_mail(50)

    return act


async def scheduler_paused(environment: ChaosEnvironment) -> None:
    """Stop a scheduler between the leases of due deliveries and their records, until another one has dispatched them.

    Then it publishes them too: each delivery has two records of the same attempt, and is sent once.
    """
    relay = DeferringRelay(environment)
    async with relay.server:
        relay.serve(environment)
        port = str(relay.server.port)
        environment.pipeline.start_worker("resolve,inbox,email", TOCSIN_SMTP__PORT=port)
        await environment.publish_load(30, rate_per_s=50)
        due = environment.pipeline.parts.due

        async def some_are_due() -> bool:
            oldest_ms = await due.oldest_ms()
            return oldest_ms is not None and oldest_ms < environment.pipeline.parts.clock.now_ms() - 5_000

        await eventually(some_are_due, 180)
        paused = environment.pipeline.start_worker(
            "schedule", TOCSIN_FAULT_AT="after_due.take_before_produce:1:stop"
        )
        await eventually(lambda: state_of(paused.pid) == "T", 120)
        environment.pipeline.start_worker("schedule")
        await asyncio.sleep(_LEASED_S)
        paused.send_signal(signal.SIGCONT)
        environment.end_fault()
        await environment.wait_until_settled(environment.published, 240)
        await asyncio.sleep(3.0)  # the second records are read
        assert relay.deferred, "nothing was deferred"
        environment.note = f"{len(relay.deferred)} deferred"


def state_of(pid: int) -> str:
    """Return the state of a process, as in /proc."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


@contextmanager
def _stopped(pid: int | None) -> Iterator[None]:
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def server_paused(name: str) -> Act:
    """Return an act that stops the broker or Redis for some time under load."""

    async def act(environment: ChaosEnvironment) -> None:
        server = environment.servers.kafka if name == "broker" else environment.servers.valkey
        for _ in range(2):
            environment.pipeline.start_worker()
        async with environment.continuous_load(40):
            await environment.wait_for_mail(50)
            with _stopped(server.pid):
                await asyncio.sleep(PAUSED_S)
            environment.end_fault()
            await environment.wait_for_mail(50)

    return act


async def api_paused(environment: ChaosEnvironment) -> None:
    """Stop the API while upstreams publish through it, each repeating what was not answered with one Idempotency-Key.

    When it continues, it handles what came first as well as the repeats.
    """
    environment.pipeline.start_worker()
    async with api_server(environment.pipeline, "upstream", "events") as (api, process):
        waiting = [environment.expected_event() for _ in range(_API_EVENTS)]
        posted: set[str] = set()
        repeats = 0

        async def publish() -> None:
            nonlocal repeats
            while waiting:
                event = waiting.pop()
                while not await _is_accepted(api, event):
                    repeats += 1
                    await asyncio.sleep(0.5)
                posted.add(event["id"])

        publishing = asyncio.gather(*(publish() for _ in range(_UPSTREAMS)))
        await eventually(lambda: len(posted) > _API_EVENTS // 4, 60)
        with _stopped(process.pid):
            await asyncio.sleep(PAUSED_S)
        environment.end_fault()
        await publishing
        assert repeats >= _UPSTREAMS, "nothing was repeated"
        environment.note = f"{repeats} requests repeated"
        await environment.wait_until_settled(environment.published, 240)


async def _is_accepted(api: httpx.AsyncClient, event: Mapping[str, Any]) -> bool:
    """Publish an event as an upstream that waits for five seconds; return False where it must be repeated."""
    try:
        response = await api.post(
            "/v1/events", json=event, headers={"Idempotency-Key": event["id"]}, timeout=_API_TIMEOUT_S
        )
    except httpx.TransportError:
        return False
    assert response.status_code in (202, 409, 503), response.text
    return response.status_code == 202


async def sigterm_with_slow_relay(environment: ChaosEnvironment) -> None:
    """Stop a worker while a relay takes 40 s to answer for the messages that it has: nothing comes twice."""
    async with _slow_relay(environment, _SLOW_ANSWER_S) as relay:
        port = str(relay.server.port)
        first = environment.pipeline.start_worker(module=_WORKER, TOCSIN_SMTP__PORT=port)
        await environment.publish_load(60, rate_per_s=200)
        await environment.wait_for_mail(CONNECTIONS)
        relay.server.delay_s = 0.0  # for those that come later
        environment.pipeline.start_worker(module=_WORKER, TOCSIN_SMTP__PORT=port)
        first.terminate()
        await asyncio.to_thread(first.wait, 120)
        assert first.returncode == 0
        environment.end_fault()
        await environment.wait_until_settled(environment.published, 240)
