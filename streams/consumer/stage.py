"""The stage: reads batches, hands them to a function, and commits only what is finished."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import faust
from aiokafka.errors import KafkaConnectionError, KafkaError

from service.model.record import Handler
from service.ports import Publisher, Unavailable
from streams.consumer.batch import StageConfig, ToDeadLetter
from streams.consumer.client import Subscription
from streams.consumer.health import Counters, StageHealth, StageState
from streams.consumer.lag import Lag
from streams.consumer.limits import StageLimits
from streams.consumer.session import ConsumerSession
from streams.faults import points as faults
from streams.kafka.cancellation import raise_if_cancelled
from streams.kafka.diagnose import diagnose

log = logging.getLogger(__name__)

ReadinessCheck = Callable[[], Awaitable[str | None]]
"""Asked again and again: the reason why the stage must not run now, or None."""

_GATE_CLOSED_SECONDS = 0.25
_GATE_OPEN_SECONDS = 1.0
_RECONNECT_SECONDS = 1.0
_STOP_SECONDS = 20.0


class BatchStage(faust.Service):  # type: ignore[misc]  # faust has no usable types
    """A consumer group that loses nothing.

    Faust's own agents acknowledge on exceptions, on cancellation, and past unfinished records. Here a record is
    committed only when it and all before it in its partition are finished (`Watermark`, `Batch`). What is open at a
    crash, at a rebalance that could not wait, or at a failed commit comes again: handlers must bear that. Whatever
    goes wrong with the consumer, another is made and starts from what was committed.
    """

    def __init__(
        self,
        name: str,
        source: Subscription,
        handler: Handler,
        poison: ToDeadLetter,
        producer: Publisher,
        *,
        limits: StageLimits | None = None,
        gate: ReadinessCheck | None = None,
        fault: faults.Fault = faults.no_fault,
        **service: Any,
    ) -> None:
        super().__init__(**service)
        self.name = name
        self._source = source
        self._work = StageConfig(handler, poison, producer, limits or StageLimits(), fault)
        self._gate = gate
        self._tally = Counters()
        self._session: ConsumerSession | None = None
        self._lag = Lag()
        self._halt = asyncio.Event()
        self._serving: asyncio.Future[Any] | None = None
        self._closed: str | None = None if gate is None else "the gate has not been asked yet"
        self._away: str | None = None

    async def on_start(self) -> None:
        """Begin; returns before Kafka has answered."""
        self._serving = self.add_future(self._serve())
        self.add_future(self._watch())

    async def on_stop(self) -> None:
        """Stop reading, let running batches end, commit, leave the group; bounded by the drain and 20 s."""
        self._halt.set()
        if self._serving is not None:
            await asyncio.wait([self._serving], timeout=self._work.limits.drain + _STOP_SECONDS)

    @property
    def reason(self) -> str | None:
        """Why it is paused; None when it is not."""
        return self._closed or self._away or (self._session.reason if self._session else None)

    def alive(self) -> bool:
        """False when there is work, nothing is known to be in its way, and still nothing has moved for long."""
        still = time.monotonic() - self._tally.moved_at
        return self.reason is not None or still < self._work.limits.stalled_after

    def health(self) -> StageHealth:
        """How it is now."""
        session, now = self._session, time.monotonic()
        partitions = session.assignment.partitions if session else {}
        started = [batch.started for batch in session.running] if session else []
        return StageHealth(
            name=self.name,
            state=self._state(),
            reason=self.reason,
            in_flight=sum(partition.mark.unfinished for partition in partitions.values()),
            oldest_in_flight_s=now - min(started, default=now),
            last_progress_s=now - self._tally.moved_at,
            lag=self._lag.known,
            committed={tp: p.mark.committed for tp, p in partitions.items() if p.mark.committed is not None},
            finished=self._tally.finished,
            dead=self._tally.dead,
            group=self._source.group,
            oldest_unfinished_s=max(session.oldest_s() if session else 0.0, self._lag.standing_s),
        )

    def _state(self) -> StageState:
        if self._halt.is_set():
            return StageState.stopped
        if self.reason:
            return StageState.paused
        return StageState.running if self._session and self._session.assigned else StageState.starting

    def _blocked(self) -> str | None:
        return "stopping" if self._halt.is_set() else self._closed

    async def _serve(self) -> None:
        while not self._halt.is_set():
            self._session = ConsumerSession(self._source, self._work, self._tally, self._blocked)
            try:
                await self._session.run(self._halt)
            except asyncio.CancelledError as error:
                raise_if_cancelled()
                await self._reconnect(KafkaConnectionError(f"the client ended itself: {error!r}"))
            except (
                KafkaError,
                OSError,
                UnicodeDecodeError,
            ) as error:  # the last: a header name that is no text
                await self._reconnect(error)

    async def _reconnect(self, error: Exception) -> None:
        """Say what is in the way, and wait a moment before the next consumer."""
        if self._away is None:  # one line an outage, however many attempts it takes
            log.warning("%s: consumers are made anew until one works, after %r", self.name, error)
        self._away = await diagnose(self._source.connection, error)
        with suppress(TimeoutError):
            async with asyncio.timeout(_RECONNECT_SECONDS):
                await self._halt.wait()

    async def _watch(self) -> None:
        """Ask the gate, and look whether the consumer still hears from Kafka."""
        while not self._halt.is_set():
            await self._ask_gate()
            if (session := self._session) is not None:
                if session.assigned and self._away is not None:
                    log.info("%s: goes on", self.name)
                    self._away = None
                if await self._lag.look(session) == 0 or self.reason:
                    self._tally.move()
                for what, seconds in (
                    ("fetch was answered", self._lag.silent_s),
                    ("commit was taken", session.committer.refused_s),
                ):
                    if seconds > self._work.limits.silent_after:
                        session.fail(KafkaConnectionError(f"no {what} for {seconds:.0f} s"))
                session.start_batches()
            await asyncio.sleep(_GATE_CLOSED_SECONDS if self._closed else _GATE_OPEN_SECONDS)

    async def _ask_gate(self) -> None:
        if self._gate is None:
            return
        try:
            self._closed = await self._gate()
        except Unavailable as error:
            self._closed = error.reason
        except (Exception, asyncio.CancelledError) as error:
            raise_if_cancelled()
            log.exception("%s: its gate cannot be asked", self.name)
            self._closed = f"the gate cannot be asked: {type(error).__name__}"
