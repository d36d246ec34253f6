"""The data behind `tocsin top`, on Redis and Kafka, and what its keys do."""

import asyncio
from collections.abc import Mapping
from contextlib import aclosing, suppress
from typing import Any

from service.cli.support.operator_session import OperatorSession, operator, operator_session
from service.cli.top.screen import TopApp
from service.cli.top.snapshot import FAILURES, Failure, OutcomeWindow, Snapshot
from service.model.dead_letter import DeadLetter
from service.model.operation import OperationKind
from service.model.outcome import Outcome
from service.pipeline.operate.dead_letters import OPEN, DeadLetterFilter
from service.pipeline.operate.due_hours import due_hours
from service.pipeline.operate.explain import ExplainQuery
from service.pipeline.operate.outcome_filter import OutcomeFilter
from service.pipeline.operate.problem_rules import find_problems
from service.pipeline.operate.replay import ReplayFilter
from service.ports import Unavailable

_FAILURES_AT_START = 50
_RETRY_S = 2.0


async def run_top() -> None:
    """Run the application until it is closed."""
    async with operator_session() as session:
        source = TopSource(session)
        following = asyncio.create_task(source.follow())
        try:
            await TopApp(source).run_async()
        finally:
            following.cancel()
            with suppress(asyncio.CancelledError):
                await following


class TopSource:
    """Reads what is shown, and does what an operator asks for; every operation is in the operation log."""

    def __init__(self, session: OperatorSession) -> None:
        self._session = session
        self._window = OutcomeWindow()
        self._kafka_error = ""

    async def snapshot(self) -> Snapshot:
        """Return what is seen now; raise nothing."""
        parts = self._session.parts
        now_ms = parts.clock.now_ms()
        self._window.forget(now_ms)
        try:
            seen = await parts.observer().observe()
            due = await due_hours(parts.due, now_ms)
        except Unavailable as error:
            return Snapshot(now_ms, unavailable=error.reason)
        return Snapshot(
            now_ms,
            seen.reports,
            find_problems(seen),
            due,
            self._window.states,
            self._window.types,
            list(self._window.failures),
            self._kafka_error,
        )

    async def follow(self) -> None:
        """Read the failures of the last day, then outcomes and dead letters as they come, until it is cancelled."""
        topics = self._session.services.topics
        while True:
            try:
                positions = await self._session.services.log.ends([topics.outcomes, topics.dead_letter])
                if not self._window.failures:
                    await self._read_failures()
                self._kafka_error = ""
                async with aclosing(self._session.services.log.follow(positions)) as records:
                    async for record in records:
                        if record.topic == topics.dead_letter:
                            self._window.failures.appendleft(_dead_letter(DeadLetter.from_record(record)))
                            continue
                        with suppress(ValueError):  # a read mark
                            now_ms = self._session.parts.clock.now_ms()
                            self._window.add(Outcome.from_bytes(record.value or b""), now_ms)
            except Unavailable as error:
                self._kafka_error = error.reason
                await asyncio.sleep(_RETRY_S)

    async def _read_failures(self) -> None:
        services = self._session.services
        since_ms = self._session.parts.clock.now_ms() - 86_400_000
        page = await services.deliveries.page(
            OutcomeFilter(states=FAILURES, since_ms=since_ms), _FAILURES_AT_START
        )
        dead = await services.dead_letters.page(
            DeadLetterFilter(states=frozenset({OPEN}), since_ms=since_ms), _FAILURES_AT_START
        )
        failures = [*map(Failure.of_outcome, page.deliveries)]
        failures += [_dead_letter(known.dead_letter) for known in dead.dead_letters]
        self._window.failures.extend(sorted(failures, key=lambda one: -one.at_ms))

    async def explain(self, failure: Failure) -> Mapping[str, Any]:
        """Return the answer of `explain` for a delivery; empty for a dead letter. Raise Unavailable."""
        if failure.dead_letter:
            return {}
        query = ExplainQuery(event=failure.event, recipient=failure.recipient)
        return await self._session.parts.explain()(query)

    async def send_again(self, failure: Failure) -> str:
        """Redrive a dead letter, or replay a delivery; return what was done. Raise Unavailable or LookupError."""
        services = self._session.services
        if failure.dead_letter:
            chosen = DeadLetterFilter(frozenset({failure.dead_letter}))
            done = await services.change_dead_letters(operator(), OperationKind.redrive, chosen, 1)
        else:
            replayed = ReplayFilter(
                events=frozenset({failure.event}),
                recipients=frozenset({failure.recipient}),
                channels=frozenset({failure.channel}),
            )
            done = await services.replay(operator(), replayed, 1.0, 1)
        return ", ".join(f"{number} {name}" for name, number in done.items()) or "nothing to send"


def _dead_letter(one: DeadLetter) -> Failure:
    return Failure(
        one.record.timestamp_ms, OPEN, one.type, one.stage, one.reason, one.detail, dead_letter=one.id
    )
