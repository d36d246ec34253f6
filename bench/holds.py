"""Cost and rate of mail that is held: python -m bench.holds (make bench-holds).

1. Mails that are never held: the rate and the CPU to compare with.
2. As many that are due within one minute: they are held, and then released.
3. Mails that are due at a rate that the workers keep up with: how late each is sent.
4. Items of digests, with 10 and with 100 in each; then the steps of a digest in this process.
5. Mails with a limit that none reaches, and with one that makes nine of ten wait for room.
"""

import argparse
import asyncio
import signal
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import replace
from pathlib import Path
from secrets import token_hex

from bench.cpu import CpuMeter
from bench.held_mail import ITEM, LIMITED, MAIL, ROOMY, HeldCase, seed_recipients, write_templates
from bench.hold_steps import measure_steps
from bench.holds_report import Figures, Phase, report
from bench.load import Load
from bench.memory import MemorySamples
from bench.outcomes import OutcomeLog
from bench.redis_bytes import bytes_by_class
from bench.sides import Side
from bench.stack import Stack
from service.bootstrap.parts import Parts, bootstrap
from service.settings import KafkaSettings, RedisSettings, Settings, TemplateSettings

_STAGES = ("resolve", "email", "schedule")
_DIGEST_SIZES = (10, 100)
_A_RECIPIENT = 10
"""Mails of a recipient."""
_STEP_MS = 60_000 / 1_000_000
"""Between two mails that are due: a million in a minute."""
_WARM_UP, _WARM_UP_MAILS = "warm-up", 5_000
_POLL_S, _STALL_TIMEOUT_S = 0.1, 180.0
_MARGIN, _LEAST_HOLD_S = 1.2, 20
"""How much longer than to send mails it may take to hold them, before the first is due."""


def main() -> None:
    """Parse the options, run, and print the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mails", type=int, default=1_000_000, help="held mails, and as many never held")
    parser.add_argument("--items", type=int, default=100_000, help="of digests of each size")
    parser.add_argument("--limited", type=int, default=50_000, help="mails of each part with limits")
    parser.add_argument("--rate", type=float, default=300.0, help="mails due a second in part 3")
    parser.add_argument("--steady-s", type=int, default=30, help="for how long")
    parser.add_argument("--partitions", type=int, default=2)
    parser.add_argument("--profile", type=Path, help="folder for CPU profiles of the workers")
    parser.add_argument("--save", action="store_true", help="write bench/capacity/holds.json")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that all processes are stopped
    asyncio.run(run(parser.parse_args()))


async def run(options: argparse.Namespace) -> None:
    """Run all parts on one broker, one Redis and one sink."""
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as name:
        async with AsyncExitStack() as exits:
            directory = Path(name)
            stack = await exits.enter_async_context(Stack(directory, options.partitions))
            load = Load(stack.bootstrap)
            await load.start()
            exits.push_async_callback(load.stop)
            outcomes = OutcomeLog(stack.bootstrap, "dispatch.outcomes", options.partitions)
            await exits.enter_async_context(outcomes)
            parts = _parts(stack, write_templates(directory, 1, limits=False))
            exits.push_async_callback(parts.close)
            bench = Bench(directory, stack, load, outcomes, parts, options)
            await bench.alone()
            for size in _DIGEST_SIZES:
                await bench.digests(size)
            await bench.limits()
            await bench.steps()
    if options.save:
        bench.figures.costs(_DIGEST_SIZES).save()
    report(bench.figures, options)


def _parts(stack: Stack, templates: Path) -> Parts:
    return bootstrap(
        Settings(
            kafka=KafkaSettings(bootstrap=stack.bootstrap),
            redis=RedisSettings(url=stack.redis_url),
            templates=TemplateSettings(directory=templates),
        )
    )


class Bench:
    """The parts of the benchmark, one after another. `figures`: what they have measured."""

    def __init__(
        self,
        directory: Path,
        stack: Stack,
        load: Load,
        outcomes: OutcomeLog,
        parts: Parts,
        options: argparse.Namespace,
    ) -> None:
        self.figures = Figures()
        self._directory = directory
        self._stack = stack
        self._load = load
        self._outcomes = outcomes
        self._parts = parts
        self._options = options

    async def alone(self) -> None:
        """Mails never held, mails held until times within a minute, and mails that are due at a rate."""
        mails = self._options.mails
        case = HeldCase("alone", MAIL, "sent", mail=True, recipients=max(1, mails // _A_RECIPIENT))
        await seed_recipients(self._parts, case.prefix, case.recipients)
        templates = write_templates(self._directory, 2, limits=False)
        async with self._workers(case, templates) as side:
            await self._warm_up(side, case)
            before = await bytes_by_class(self._stack.redis)
            plain = await self._send(side, "never held", case, mails)
            self.figures.add_bytes("never held", before, await bytes_by_class(self._stack.redis), mails)
            hold_s = _LEAST_HOLD_S + _MARGIN * mails / plain.rate
            due = replace(case, due_ms=_now_ms() + int(hold_s * 1000), step_ms=_STEP_MS)
            await self._hold_and_release(side, due, mails, "")
            rate, steady = self._options.rate, int(self._options.rate * self._options.steady_s)
            hold_s = _LEAST_HOLD_S + _MARGIN * steady / plain.rate
            due = replace(case, due_ms=_now_ms() + int(hold_s * 1000), step_ms=1000 / rate)
            await self._hold_and_release(side, due, steady, f" at {rate:g} a second")

    async def digests(self, size: int) -> None:
        """Items of digests: each recipient gets `size`, in turn, and so each digest has as many."""
        items, name = self._options.items, f"digests of {size}"
        case = HeldCase(name, ITEM, "digested", mail=True, prefix=f"of{size}", recipients=items // size)
        items = case.recipients * size
        await seed_recipients(self._parts, case.prefix, case.recipients)
        wait_s = int(_LEAST_HOLD_S + _MARGIN * items / self.figures.phases["never held"].rate)
        async with self._workers(case, write_templates(self._directory, wait_s, limits=False)) as side:
            await self._warm_up(side, case)
            run, before = self._run(), await bytes_by_class(self._stack.redis)
            await self._outcomes.mark()
            digests = case.recipients
            await self._phase(
                side, f"{name}: held", items, self._publish(case, run, items), self._outcomes.count,
                items + digests,
            )  # fmt: skip
            self.figures.add_bytes(name, before, await bytes_by_class(self._stack.redis), items)
            await self._until_due(await self._parts.due.oldest_ms() or 0)
            await self._phase(side, f"{name}: sent", items, None, self._outcomes.count, 2 * (items + digests))
            self.figures.add_bytes(f"{name}: sent", before, await bytes_by_class(self._stack.redis), items)
            await self._audit(run, items, "digested")

    async def limits(self) -> None:
        """Mails of a type without a limit beside types that have one, with a wide limit, and with a narrow one."""
        mails = self._options.limited
        recipients = max(1, mails // _A_RECIPIENT)
        case = HeldCase("limits", MAIL, "sent", mail=True, prefix="limited", recipients=recipients)
        await seed_recipients(self._parts, case.prefix, recipients)
        async with self._workers(case, write_templates(self._directory, 3, limits=True)) as side:
            await self._warm_up(side, case)
            await self._send(side, "other types have limits", case, mails)
            await self._send(side, "within a limit", replace(case, type=ROOMY), mails)
            before, run = await bytes_by_class(self._stack.redis), self._run()
            waiting = mails - recipients
            await self._outcomes.mark()
            await self._phase(
                side, "over a limit: held", mails, self._publish(replace(case, type=LIMITED), run, mails),
                self._outcomes.count, mails,
            )  # fmt: skip
            self.figures.add_bytes("room", before, await bytes_by_class(self._stack.redis), waiting)

    async def steps(self) -> None:
        """Take the steps of digests one by one."""
        redis_pid = self._stack.pids["valkey"]
        for size in _DIGEST_SIZES:
            prefix, items = f"steps{size}", self._options.items // 2
            await seed_recipients(self._parts, prefix, items // size)
            steps = await measure_steps(self._parts, redis_pid, prefix, size, items)
            self.figures.steps[f"digests of {size}"] = steps.document()

    def _workers(self, case: HeldCase, templates: Path) -> AbstractAsyncContextManager[Side]:
        settings = {"TOCSIN_TEMPLATES__DIRECTORY": str(templates)}
        return self._stack.tocsin(case, _STAGES, self._options.profile, settings)

    async def _warm_up(self, side: Side, case: HeldCase) -> None:
        """Have all code run once, also the consumer groups'."""
        await self._send(side, _WARM_UP, replace(case, type=MAIL, final="sent"), _WARM_UP_MAILS)
        del self.figures.phases[_WARM_UP]

    async def _send(self, side: Side, name: str, case: HeldCase, count: int) -> Phase:
        run = self._run()
        await self._outcomes.mark()
        phase = await self._phase(
            side, name, count, self._publish(case, run, count), self._outcomes.count, count
        )
        await self._audit(run, count, case.final)
        return phase

    async def _hold_and_release(self, side: Side, case: HeldCase, count: int, suffix: str) -> None:
        run, before = self._run(), await bytes_by_class(self._stack.redis)
        await self._outcomes.mark()
        await self._phase(
            side, f"held{suffix}", count, self._publish(case, run, count), self._outcomes.count, count
        )
        self.figures.add_bytes(f"alone{suffix}", before, await bytes_by_class(self._stack.redis), count)
        if _now_ms() > case.due_ms:
            raise RuntimeError("the first mail was due before all were held: repeat it with less mail")
        await self._until_due(case.due_ms)
        name = f"released{suffix}"
        await self._phase(side, name, count, None, self._outcomes.count, 2 * count)
        self.figures.add_bytes(name, before, await bytes_by_class(self._stack.redis), count)
        finished = await self._audit(run, count, case.final)
        self.figures.late_ms[name] = sorted(at - case.due(i) for i, at in finished.items())

    async def _phase(
        self,
        side: Side,
        name: str,
        count: int,
        work: Awaitable[None] | None,
        now: Callable[[], Awaitable[int]],
        target: int,
    ) -> Phase:
        """Measure until a count of outcomes is reached. Raise RuntimeError where it stands still for minutes."""
        meter, memory = CpuMeter({**side.pids, **self._stack.pids}), MemorySamples(side.pids)
        meter.start()
        started_s = progress_s = time.monotonic()
        working = asyncio.ensure_future(work) if work else None
        newest = await now()
        first = newest
        while newest < target:
            await asyncio.sleep(_POLL_S)
            side.check()
            if (seen := await now()) > newest:
                newest, progress_s = seen, time.monotonic()
                memory.sample((newest - first) / (target - first))
            elif time.monotonic() - progress_s > _STALL_TIMEOUT_S:
                raise RuntimeError(f"{name}: {target - newest} outcomes are missing")
        elapsed_s = time.monotonic() - started_s
        phase = Phase(count, elapsed_s, meter.stop(count), memory.by_share())
        if working:
            await working
        self.figures.phases[name] = phase
        print(f"  {name}: {count:,} in {elapsed_s:.0f} s, {phase.total_us:.0f} µs CPU each", flush=True)
        return phase

    async def _publish(self, case: HeldCase, run: str, count: int) -> None:
        for events in case.chunks(run, count):
            await self._load.flood("events", events)

    async def _audit(self, run: str, count: int, state: str) -> Mapping[int, int]:
        finished, wrong = await self._outcomes.final(run, state)
        self.figures.lost += count - len(finished)
        self.figures.duplicates += wrong
        return finished

    async def _until_due(self, due_ms: int) -> None:
        await asyncio.sleep(max(0.0, (due_ms - _now_ms()) / 1000))

    def _run(self) -> str:
        return f"held{token_hex(4)}"


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


if __name__ == "__main__":
    main()
