"""The ledger against `check_transition`: no order of transitions reaches a state that the model forbids."""

import asyncio
from collections.abc import Awaitable, Callable
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from service import settings as tocsin
from service.adapters.redis.client import Store
from service.adapters.redis.ledger.ledger import RedisLedger
from service.model.event import Event
from service.model.ids import delivery_id, event_key
from service.model.ledger import (
    TRANSITIONS,
    IllegalTransition,
    NewEntry,
    State,
    Transition,
    TransitionResult,
    check_transition,
)
from service.model.reasons import Reason
from service.ports import MANY, EventHead, Ledger
from tests.fakes.ledger import FakeLedger
from tests.support.stack import shared_valkey

_STOPPED = frozenset({State.sending, State.digested})
"""A withdrawal that came before these makes the delivery `withdrawn`."""
FIRST = [state for state in State if state in {State.queued, State.held, State.skipped, State.dead}]
EVENT = event_key("s", "i")
STEPS = st.lists(st.one_of(st.sampled_from(State), st.integers(0, 20), st.just("withdraw")), max_size=15)
"""A state to try, the number of one that is allowed (so that walks get far), or a withdrawal."""


def with_ledger(kind: str, use: Callable[[Ledger], Awaitable[None]]) -> None:
    """Run `use` with a ledger of its own."""

    async def real() -> None:
        store = Store(tocsin.RedisSettings(url=SecretStr(shared_valkey().url), prefix=f"{uuid4().hex}:"))
        await use(RedisLedger(store))
        await store.close()

    async def fake() -> None:
        await use(FakeLedger())

    asyncio.run(real() if kind == "valkey" else fake())


def expected(current: State, to: State, withdrawn: bool) -> tuple[bool, State]:
    """Return the result of a transition by the model."""
    try:
        check_transition(current, to)
    except IllegalTransition:
        return False, current
    return (False, State.withdrawn) if withdrawn and to in _STOPPED else (True, to)


@pytest.mark.parametrize("kind", ["fake", "valkey"])
@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    first=st.sampled_from(FIRST),
    steps=STEPS,
    deliveries=st.sampled_from([0, 1000, MANY]),
    batched=st.booleans(),
)
def test_transitions_are_those_of_the_model(
    kind: str, first: State, steps: list[State | int | str], deliveries: int, batched: bool
) -> None:
    """Every result and the whole history are what `check_transition` allows, singly or in one batch."""

    async def use(ledger: Ledger) -> None:
        delivery = delivery_id(EVENT, "bob", "email")
        head = EventHead(Event(EVENT, "i", "s", "t", 1, 1, {}), 60, deliveries)
        await ledger.open([head], [NewEntry(EVENT, delivery, "bob", "email", first, Reason.none, 0)])
        history, withdrawn = [first], False
        waiting: list[Transition] = []
        results: list[TransitionResult] = []
        forecasts = []
        for at, chosen in enumerate(steps, start=1):
            legal = sorted(TRANSITIONS[history[-1]])
            step = legal[chosen % len(legal)] if isinstance(chosen, int) and legal else chosen
            if isinstance(step, State):
                forecast = expected(history[-1], step, withdrawn)
                forecasts.append(forecast)
                if forecast[1] is not history[-1] or forecast[0]:
                    history.append(forecast[1])
                waiting.append(Transition(EVENT, delivery, step, Reason.none, at))
            if not batched or step == "withdraw":
                results += await ledger.transition(waiting)
                waiting = []
            if step == "withdraw":
                withdrawn = True
                await ledger.withdraw(EVENT, at, 60)
        results += await ledger.transition(waiting)

        assert [(result.applied, result.state) for result in results] == forecasts
        entry = await ledger.entry(EVENT, delivery)
        assert entry is not None
        assert [step.state for step in entry.steps] == history[::-1]

    with_ledger(kind, use)
