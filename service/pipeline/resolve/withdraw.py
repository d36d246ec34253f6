"""Withdrawals: a producer voids events. Pending deliveries stop, inbox entries are removed, sent mail stays sent.

1. Publish the withdrawal itself, for `rebuild`.
2. For a supersede key, withdraw the key; that names its events so far.
3. Mark each event in the ledger, which alone stops its claims.
4. Change its deliveries to `withdrawn`, then remove them from the due set and from inboxes.
5. Publish their outcomes.

The order of event and withdrawal does not matter: a withdrawal is remembered, so that an event that comes after it is
entered as withdrawn.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace

from service.model.channels import CHANNELS, Channel
from service.model.event import Withdrawal
from service.model.ledger import Entry, State, Transition, sources_of
from service.model.outcome import Outcome
from service.model.reasons import Reason
from service.model.record import Message
from service.model.topics import TopicNames
from service.model.withdrawal import WithdrawalRecord
from service.pipeline.messages import message_of
from service.ports import Clock, DueSet, Inbox, Ledger, SupersedableEvent, Withdrawals

_CHUNK = 500
_CONCURRENT = 50
# An item of a digest that may have been sent is not stopped: before another attempt the email stage leaves it out.
_STOPPABLE = sources_of(State.withdrawn) - {State.digested}
_IN_DUE_SET = frozenset({State.held, State.withdrawn})


class WithdrawalProcessor:
    """Executes withdrawals, and applies them to events that come later."""

    def __init__(
        self,
        ledger: Ledger,
        inbox: Inbox,
        due: DueSet,
        withdrawals: Withdrawals,
        *,
        topics: TopicNames,
        clock: Clock,
    ) -> None:
        self._ledger = ledger
        self._inbox = inbox
        self._due = due
        self._withdrawals = withdrawals
        self._topics = topics
        self._clock = clock

    async def note(self, items: Sequence[SupersedableEvent]) -> list[Message]:
        """Remember events by their supersede keys; mark those that are withdrawn already. Return records of these.

        To be called before the events enter the ledger, so that marked ones enter as withdrawn. The records are for
        `rebuild`.
        """
        untils_ms = await self._withdrawals.note(items)
        messages = []
        for item, until_ms in zip(items, untils_ms, strict=True):
            if until_ms is not None and item.time_ms <= until_ms:
                await self._ledger.withdraw(item.event, until_ms, item.keep_s)
                messages.append(self._message(WithdrawalRecord(item.event, "", until_ms, item.keep_s)))
        return messages

    async def first_times_ms(self, items: Sequence[SupersedableEvent]) -> dict[str, int]:
        """Return by event the time (ms) with which it was remembered, of those that were remembered before."""
        times_ms = await self._withdrawals.times([(item.key, item.event) for item in items]) if items else []
        return {item.event: at_ms for item, at_ms in zip(items, times_ms, strict=True) if at_ms is not None}

    async def __call__(self, withdrawal: Withdrawal) -> AsyncIterator[list[Message]]:
        """Execute a withdrawal; yield its messages, some hundreds at a time. A repeat yields the same again."""
        record = WithdrawalRecord(
            withdrawal.event, withdrawal.supersede, withdrawal.time_ms, withdrawal.keep_s
        )
        yield [self._message(record)]
        events: Sequence[str] = (record.event,)
        if record.supersede:
            events = await self._withdrawals.withdraw(record.supersede, record.until_ms, record.keep_s)
        # All marks first: the mark alone already stops pending mail, while the deliveries of many events take a while.
        for start in range(0, len(events), _CONCURRENT):
            part = events[start : start + _CONCURRENT]
            marks = (self._ledger.withdraw(event, record.until_ms, record.keep_s) for event in part)
            await asyncio.gather(*marks)
        for event in events:
            head = await self._ledger.head(event)
            if head is None or "type" not in head:
                continue  # the event has not come yet
            async for entries in _chunks(self._ledger.entries(event)):
                yield await self._withdraw_entries(entries, head, withdrawal)

    def _message(self, record: WithdrawalRecord) -> Message:
        return Message(self._topics.withdrawals, record.key, record.to_bytes())

    async def _withdraw_entries(
        self, entries: Sequence[Entry], head: Mapping[str, object], withdrawal: Withdrawal
    ) -> list[Message]:
        """Change deliveries to withdrawn; return their outcomes. A message in flight is checked after its reply."""
        detail = f"by {withdrawal.id} of {withdrawal.source}"
        transitions = [self._transition(entry, detail) for entry in entries if entry.state in _STOPPABLE]
        results = await self._ledger.transition(transitions) if transitions else []
        applied = {
            transition.delivery: transition
            for transition, result in zip(transitions, results, strict=True)
            if result.state is State.withdrawn
        }
        # The ledger before due set and inbox: a stage that works on a delivery meanwhile is refused by the ledger, and
        # undoes its part. In the other order it could put back what was removed here. Deliveries that a worker which
        # died withdrew before are removed again.
        stopped = [e for e in entries if e.delivery in applied or e.state is State.withdrawn]
        waited = [
            e.delivery for e in stopped if CHANNELS[Channel(e.channel)].retried or e.state in _IN_DUE_SET
        ]
        await self._due.drop(waited)
        await self._remove_from_inboxes(stopped)
        return [self._outcome_message(entry, applied.get(entry.delivery), head) for entry in stopped]

    async def _remove_from_inboxes(self, entries: Sequence[Entry]) -> None:
        ids_by_recipient: dict[str, list[str]] = {}
        for entry in entries:
            if entry.channel == Channel.inbox:
                ids_by_recipient.setdefault(entry.recipient, []).append(entry.delivery)
        inboxes = list(ids_by_recipient.items())
        for start in range(0, len(inboxes), _CONCURRENT):
            part = inboxes[start : start + _CONCURRENT]
            await asyncio.gather(*(self._inbox.remove(recipient, ids) for recipient, ids in part))

    def _transition(self, entry: Entry, detail: str) -> Transition:
        return Transition(
            entry.event,
            entry.delivery,
            State.withdrawn,
            Reason.withdrawn_by_source,
            self._clock.now_ms(),
            entry.newest_step.attempt,
            detail,
        )

    def _outcome_message(
        self, entry: Entry, transition: Transition | None, head: Mapping[str, object]
    ) -> Message:
        """Return the outcome. Without a transition it is that of an earlier one, which may have been lost."""
        step = entry.newest_step
        if transition is not None:
            step = replace(step, at_ms=transition.at_ms, detail=transition.detail)
        step = replace(step, state=State.withdrawn, reason=Reason.withdrawn_by_source)
        return message_of(self._topics, Outcome.of_entry(entry, head, step))


async def _chunks(entries: AsyncIterator[Entry]) -> AsyncIterator[list[Entry]]:
    chunk: list[Entry] = []
    async for entry in entries:
        chunk.append(entry)
        if len(chunk) == _CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
