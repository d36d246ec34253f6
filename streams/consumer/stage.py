"""The stage: a service with a consumer group, which commits only what is finished."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog
from aiokafka.errors import KafkaConnectionError, KafkaError
from structlog.contextvars import bind_contextvars

from service.model.record import Handler
from service.model.worker import StageState
from service.ports import Publisher, Unavailable
from streams.consumer.batch import StageConfig, ToDeadLetter
from streams.consumer.client import Subscription
from streams.consumer.health import Counters, StageHealth
from streams.consumer.lag import Lag
from streams.consumer.limits import StageLimits
from streams.consumer.session import ConsumerSession
from streams.consumer.topic_watch import TopicWatch
from streams.faults import points as faults
from streams.kafka.cancellation import raise_if_cancelled
from streams.kafka.diagnose import diagnose
from streams.lifecycle import Service

log = structlog.get_logger(__name__)

ReadinessCheck = Callable[[], Awaitable[str | None]]
"""Called every second, and four times a second while it gives a reason: why the stage must not run, or None."""

_NOT_READY_INTERVAL_S = 0.25
_READY_INTERVAL_S = 1.0
_RECONNECT_DELAY_S = 1.0
_STOP_TIMEOUT_S = 20.0


class BatchStage(Service):
    """A consumer group that loses nothing.

    Faust's own agents acknowledge on exceptions, on cancellation, and past unfinished records. Here a record is
    committed only when it and all before it in its partition are finished (`OffsetTracker`, `RecordBatch`). Records
    that are unfinished at a crash, at a rebalance that could not wait, or at a failed commit are read again: handlers
    must accept that. Whenever a consumer fails, another is made, which starts from the committed offsets.
    """

    def __init__(
        self,
        name: str,
        subscription: Subscription,
        handler: Handler,
        to_dead_letter: ToDeadLetter,
        publisher: Publisher,
        *,
        limits: StageLimits | None = None,
        readiness: ReadinessCheck | None = None,
        fault: faults.Fault = faults.no_fault,
    ) -> None:
        super().__init__()
        self.name = name
        self._subscription = subscription
        self._config = StageConfig(handler, to_dead_letter, publisher, limits or StageLimits(), fault)
        self._readiness = readiness
        self._counters = Counters()
        self._session: ConsumerSession | None = None
        self._lag = Lag()
        self._topics = TopicWatch(subscription)
        self._halt = asyncio.Event()
        self._serving: asyncio.Task[None] | None = None
        self._not_ready_reason = None if readiness is None else "readiness has not been checked yet"
        self._unavailable_reason: str | None = None

    async def on_start(self) -> None:
        """Begin; return before Kafka has answered."""
        self._serving = self.add_task(self._serve())
        self.add_task(self._watch())

    async def on_stop(self) -> None:
        """Stop reading, drain, commit, and leave the group. Take at most the drain timeout and 20 s."""
        self._halt.set()
        if self._serving is not None:
            await asyncio.wait([self._serving], timeout=self._config.limits.drain_s + _STOP_TIMEOUT_S)

    @property
    def reason(self) -> str | None:
        """Reason for which the stage is paused, or for which it does not read everything; None when it does."""
        return self._pause_reason or (self._topics.reason if self._session else None)

    @property
    def _pause_reason(self) -> str | None:
        batch_reason = self._session.reason if self._session else None
        return self._not_ready_reason or self._unavailable_reason or batch_reason

    def alive(self) -> bool:
        """Return False after `stalled_after_s` without progress, while there is work and no known reason to wait."""
        stalled_s = time.monotonic() - self._counters.progress_at
        return self._pause_reason is not None or stalled_s < self._config.limits.stalled_after_s

    def health(self) -> StageHealth:
        """Return the present health."""
        session, now = self._session, time.monotonic()
        partitions = session.assignment.partitions if session else {}
        started = [batch.started for batch in session.running] if session else []
        committed = {tp: partition.offsets.committed for tp, partition in partitions.items()}
        return StageHealth(
            name=self.name,
            state=self._state(),
            reason=self.reason,
            in_flight=sum(partition.offsets.unfinished for partition in partitions.values()),
            oldest_in_flight_s=now - min(started, default=now),
            last_progress_s=now - self._counters.progress_at,
            lag={**self._lag.known, **self._topics.unread},
            committed={tp: offset for tp, offset in committed.items() if offset is not None},
            finished=self._counters.finished,
            dead=self._counters.dead,
            group=self._subscription.group,
            assigned=sorted(session.consumer.assignment()) if session else (),
            unread=sorted(self._topics.unread),
            missing=self._topics.missing,
            resets=self._counters.resets,
            removed_unread=self._counters.removed_unread,
            oldest_unfinished_s=max(session.oldest_s() if session else 0.0, self._lag.stalled_s),
        )

    def _state(self) -> StageState:
        if self._halt.is_set():
            return StageState.stopped
        if self._pause_reason:
            return StageState.paused
        if self._topics.missing or not (self._session and self._session.assigned):
            return StageState.incomplete if self._topics.missing else StageState.starting
        return StageState.incomplete if self._topics.unread else StageState.running

    def _blocked(self) -> str | None:
        return "stopping" if self._halt.is_set() else self._not_ready_reason

    async def _serve(self) -> None:
        """Run one session after another until the stage stops."""
        bind_contextvars(stage=self.name)  # in the log lines of this task and of all that it starts
        while not self._halt.is_set():
            self._session = ConsumerSession(self._subscription, self._config, self._counters, self._blocked)
            try:
                await self._session.run(self._halt)
            except asyncio.CancelledError as error:
                raise_if_cancelled()
                await self._reconnect(KafkaConnectionError(f"the client ended itself: {error!r}"))
            except (KafkaError, OSError, UnicodeDecodeError) as error:
                # UnicodeDecodeError: a header name that is not UTF-8, where aiokafka's patch does not reach.
                await self._reconnect(error)

    async def _reconnect(self, error: Exception) -> None:
        """Show why the consumer failed, and wait a second before the next one."""
        if self._unavailable_reason is None:  # one line an outage, however many attempts it takes
            log.warning("consumer_failed", group=self._subscription.group, error=repr(error))
        self._unavailable_reason = await diagnose(self._subscription.connection, error)
        with suppress(TimeoutError):
            async with asyncio.timeout(_RECONNECT_DELAY_S):
                await self._halt.wait()

    async def _watch(self) -> None:
        """Check readiness, and whether Kafka still answers the consumer, until the stage stops."""
        bind_contextvars(stage=self.name)
        while not self._halt.is_set():
            await self._check_readiness()
            if (session := self._session) is not None:
                await self._check_session(session)
            await asyncio.sleep(_NOT_READY_INTERVAL_S if self._not_ready_reason else _READY_INTERVAL_S)

    async def _check_session(self, session: ConsumerSession) -> None:
        if session.assigned and self._unavailable_reason is not None:
            log.info("consumer_recovered", group=self._subscription.group)
            self._unavailable_reason = None
        if await self._lag.measure(session) == 0 or self._pause_reason:
            self._counters.progress()
        if await self._topics.measure(session) and self._topics.missing:
            self._unavailable_reason = None  # Kafka answers; the consumer cannot start for the lack of topics
        for missing, seconds in (
            ("fetch was answered", self._lag.silent_s),
            ("commit was accepted", session.committer.failing_s),
        ):
            if seconds > self._config.limits.silent_after_s:
                session.fail(KafkaConnectionError(f"no {missing} for {seconds:.0f} s"))
        session.start_batches()

    async def _check_readiness(self) -> None:
        if self._readiness is None:
            return
        try:
            self._not_ready_reason = await self._readiness()
        except Unavailable as error:
            self._not_ready_reason = error.reason
        except (Exception, asyncio.CancelledError) as error:
            raise_if_cancelled()
            log.exception("readiness_check_failed")
            self._not_ready_reason = f"the readiness check failed: {type(error).__name__}"
