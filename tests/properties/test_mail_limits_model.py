"""The limits of mails: no order of takes, workers and clocks exceeds one, and the script does what the model does."""

import asyncio
from bisect import bisect_right
from collections.abc import Awaitable, Callable, Sequence
from uuid import uuid4

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from service import settings as tocsin
from service.adapters.redis.client import Store
from service.adapters.redis.delivery.mail_limits import RedisMailLimits
from service.model.catalogue import Lane
from service.model.ids import delivery_id, event_key
from service.ports import LimitedMail, MailAllowance
from tests.fakes.mail_limits import FakeMailLimits
from tests.support.stack import shared_valkey

NOW, HOUR, DAY = 1_800_000_000_000, 3_600_000, 86_400_000
TYPES = ("overbid", "winner")
STEPS = st.lists(
    st.tuples(
        st.integers(0, 11),  # which mail, and by it its lane and type
        st.sampled_from(
            (0, 1, 60_000, HOUR // 2 - 1, HOUR - 1000, HOUR, 12 * HOUR - 1)
        ),  # what passes before
        st.sampled_from((-3000, -700, 0, 0, 1, 3000)),  # how far the worker's clock is wrong
        st.sampled_from((*("take",) * 6, "give back", "exempt")),
    ),
    min_size=10,
    max_size=60,
)
_LIMITS = (0, 1, 2, 3, 5)
ONE_EACH = st.builds(
    lambda limits, swap: MailAllowance(limits[0], 0, 0, limits[1]) if swap else MailAllowance(0, *limits, 0),
    st.tuples(st.sampled_from(_LIMITS), st.sampled_from(_LIMITS)),
    st.booleans(),
)
ANY = st.builds(MailAllowance, *(st.sampled_from(_LIMITS) for _ in range(4)))


def mail(n: int, allowance: MailAllowance, exempt: bool = False) -> LimitedMail:
    id_ = delivery_id(event_key("s", str(n)), "alice", "email")
    return LimitedMail("alice", id_, TYPES[n % 2], list(Lane)[n // 2 % 3], allowance, exempt)


def with_redis(use: Callable[[Store], Awaitable[None]]) -> None:
    """Run `use` with a Valkey under a prefix of its own."""

    async def run() -> None:
        store = Store(tocsin.RedisSettings(url=SecretStr(shared_valkey().url), prefix=f"{uuid4().hex}:"))
        await use(store)
        await store.close()

    asyncio.run(run())


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(ONE_EACH, STEPS)
def test_the_script_does_what_the_model_does(
    allowance: MailAllowance, steps: Sequence[tuple[int, int, int, str]]
) -> None:
    """Every answer is the same, times included: the model looks at every mail, the script at counts."""

    async def check(store: Store) -> None:
        limits, model, now_ms = RedisMailLimits(store), FakeMailLimits(), NOW
        for n, passed_ms, wrong_ms, what in steps:
            now_ms += passed_ms
            one = mail(n, allowance, exempt=what == "exempt")
            if what == "give back":
                await limits.give_back([("alice", one.delivery)])
                await model.give_back([("alice", one.delivery)])
            else:
                expected = await model.take([one], now_ms + wrong_ms)
                assert list(await limits.take([one], now_ms + wrong_ms)) == expected, (n, what)

    with_redis(check)


@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow])
@given(ANY, STEPS, st.integers(1, 4))
def test_workers_that_race_never_exceed_a_limit(
    allowance: MailAllowance, steps: Sequence[tuple[int, int, int, str]], workers: int
) -> None:
    """In no hour and no day are more mails than the limit, by the times at which each was last taken."""

    async def check(store: Store) -> None:
        limits, now_ms = [RedisMailLimits(store) for _ in range(workers)], NOW
        for start in range(0, len(steps), workers):
            together = steps[start : start + workers]
            now_ms += together[0][1]
            answers = await asyncio.gather(
                *(
                    worker.take([mail(n, allowance)], now_ms + wrong_ms)
                    for worker, (n, _, wrong_ms, _) in zip(limits, together, strict=False)
                )
            )
            assert all(at_ms == 0 or at_ms > now_ms - 3000 for (at_ms,) in answers)
            for key, hour, day in (
                ("", allowance.hour, allowance.day),
                *((f":type:{name}", allowance.type_hour, allowance.type_day) for name in TYPES),
            ):
                rows = await store.pipeline(
                    [("ZRANGE", store.keys.mails("alice") + key, 0, -1, "WITHSCORES")]
                )
                times = [int(score) for _, score in rows[0]]
                assert most_within(times, HOUR) <= (hour or len(times))
                assert most_within(times, DAY) <= (day or len(times))

    with_redis(check)


def most_within(times: Sequence[int], span_ms: int) -> int:
    """Return the most of some ascending times that are in one span."""
    return max((bisect_right(times, at + span_ms - 1) - i for i, at in enumerate(times)), default=0)
