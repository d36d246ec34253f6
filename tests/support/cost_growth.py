"""How the cost of a parser or a script grows with its input, in CPU time, so that a busy machine changes nothing.

    assert_linear(lambda size: b"[" * size, parse, size=4_000)
    assert_no_costlier(pathological, ordinary, parse)
    await assert_linear_async(make_items, run_script, size=500, clock_s=valkey_clock_s(client))

A measurement is the minimum over several repetitions, since noise only ever adds. The sizes take turns, so that a
slower phase of the machine meets all of them. A limit that is missed is measured again, with more repetitions, before
the test fails.
"""

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeVar

T = TypeVar("T")
ClockS = Callable[[], Awaitable[float]]

DOUBLED = 2.5
"""Double the size may cost this much more: 2 for linear work, the rest for caches and n log n."""

TIMES_ORDINARY = 10
"""A pathological input may cost this much more than an ordinary one of its size."""

LARGEST_PAUSE_S = 0.05
"""CPU that a task may use before others run."""

_ATTEMPTS = 3
_REPETITIONS = 5
_MEASURABLE_S = 0.002  # shorter actions are repeated within a measurement


@asynccontextmanager
async def short_pauses() -> AsyncIterator[list[float]]:
    """Raise AssertionError if the event loop pauses for long; yield the pauses, in seconds of CPU of its thread."""
    pauses_s: list[float] = []
    running = True

    async def measure() -> None:
        while running:
            begin_s = time.thread_time()
            await asyncio.sleep(0)
            pauses_s.append(time.thread_time() - begin_s)

    measuring = asyncio.create_task(measure())
    gc.disable()  # a worker collects every 200,000 allocations
    try:
        yield pauses_s
    finally:
        gc.enable()
        running = False
        await measuring
    assert max(pauses_s[:-1]) < LARGEST_PAUSE_S


def cpu_s(action: Callable[[], Any], repetitions: int = _REPETITIONS) -> float:
    """Return the CPU time in seconds that the action takes in this thread: the minimum over the repetitions."""
    times = _times(action)
    with _no_garbage_collection():
        return min(_once_s(action, times) for _ in range(repetitions))


def assert_short(action: Callable[[], Any]) -> None:
    """Raise AssertionError if the action takes more CPU than a task may before others run."""
    for attempt in range(1, _ATTEMPTS + 1):
        took_s = cpu_s(action, _REPETITIONS * attempt)
        if took_s < LARGEST_PAUSE_S:
            return
    raise AssertionError(f"{took_s * 1e3:.1f} ms, over {LARGEST_PAUSE_S * 1e3:.0f} ms")


def assert_linear(
    make: Callable[[int], T],
    run: Callable[[T], Any],
    *,
    size: int,
    doublings: int = 3,
    factor: float = DOUBLED,
) -> None:
    """Raise AssertionError if `run(make(n))` costs over `factor` times as much for twice the size, on average.

    `make` is not measured. Sizes are `size`, 2 × `size` and so on; choose the smallest so that it takes 0.1 ms or more.
    """
    inputs = [make(size << doubling) for doubling in range(doublings + 1)]
    actions = [lambda made=made: run(made) for made in inputs]
    _assert_bounded(lambda many: _minima(actions, many), [size << n for n in range(doublings + 1)], factor)


def assert_no_costlier(
    pathological: T, ordinary: T, run: Callable[[T], Any], *, times: float = TIMES_ORDINARY
) -> None:
    """Raise AssertionError if the pathological input costs over `times` what the ordinary one of its size costs."""
    for attempt in range(1, _ATTEMPTS + 1):
        bad_s, good_s = _minima([lambda: run(pathological), lambda: run(ordinary)], _REPETITIONS * attempt)
        if bad_s <= times * good_s:
            return
    raise AssertionError(f"{bad_s * 1e3:.2f} ms, an ordinary input takes {good_s * 1e3:.2f} ms")


async def assert_linear_async(
    prepare: Callable[[int], Awaitable[T]],
    run: Callable[[T], Awaitable[Any]],
    *,
    size: int,
    clock_s: ClockS | None = None,
    doublings: int = 3,
    factor: float = DOUBLED,
) -> None:
    """Raise AssertionError if the cost of `await run(await prepare(n))` grows faster than `assert_linear` allows.

    `prepare` is called before every repetition and is not measured: a script may use up what it finds. `clock_s`
    returns the CPU seconds that the measured process has used so far; by default that is this thread.
    """
    clock_s = clock_s or _thread_clock_s
    sizes = [size << doubling for doubling in range(doublings + 1)]
    minima = [float("inf")] * len(sizes)
    for _ in range(_ATTEMPTS):
        for _ in range(_REPETITIONS):
            for index, items in enumerate(sizes):
                made = await prepare(items)
                begin_s = await clock_s()
                await run(made)
                minima[index] = min(minima[index], await clock_s() - begin_s)
        if _growth(minima) <= factor:
            return
    raise _too_fast(sizes, minima, factor)


def valkey_clock_s(client: Any) -> ClockS:
    """Return a clock of the CPU seconds of a Valkey's or Redis's main thread, which runs commands and scripts.

    `client` is a `redis.asyncio` client. The clock's own commands cost some 50 µs: measure more than that.
    """

    async def used_s() -> float:
        info = await client.info("cpu")
        return float(info["used_cpu_user_main_thread"]) + float(info["used_cpu_sys_main_thread"])

    return used_s


def _assert_bounded(measure: Callable[[int], Sequence[float]], sizes: Sequence[int], factor: float) -> None:
    minima = [float("inf")] * len(sizes)
    for attempt in range(1, _ATTEMPTS + 1):
        minima = [min(pair) for pair in zip(minima, measure(_REPETITIONS * attempt), strict=True)]
        if _growth(minima) <= factor:
            return
    raise _too_fast(sizes, minima, factor)


def _too_fast(sizes: Sequence[int], minima: Sequence[float], factor: float) -> AssertionError:
    measured = ", ".join(f"{size}: {s * 1e3:.2f} ms" for size, s in zip(sizes, minima, strict=True))
    return AssertionError(f"each doubling costs {_growth(minima):.2f} times, over {factor} ({measured})")


def _growth(minima: Sequence[float]) -> float:
    """Return the mean factor of a doubling: over several of them, quadratic and linear are far apart."""
    return float((minima[-1] / max(minima[0], 1e-7)) ** (1 / (len(minima) - 1)))


def _minima(actions: Sequence[Callable[[], Any]], repetitions: int) -> list[float]:
    times = [_times(action) for action in actions]
    minima = [float("inf")] * len(actions)
    with _no_garbage_collection():
        for _ in range(repetitions):
            for index, action in enumerate(actions):
                minima[index] = min(minima[index], _once_s(action, times[index]))
    return minima


def _times(action: Callable[[], Any]) -> int:
    """Return how often an action must run to be measurable; this also warms it up."""
    single_s = max(_once_s(action, 1), 1e-6)
    return max(1, int(_MEASURABLE_S / single_s))


def _once_s(action: Callable[[], Any], times: int) -> float:
    begin_s = time.thread_time()
    for _ in range(times):
        action()
    return (time.thread_time() - begin_s) / times


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


async def _thread_clock_s() -> float:
    return time.thread_time()
