"""Withdraw: a producer takes events back. What is pending stops, what was put into an inbox goes, mail sent stays sent.

Order does not matter: a withdrawal is remembered, so that an event that comes after it enters as withdrawn.
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
_AT_ONCE = 50
_STOPPABLE = sources_of(State.withdrawn)


class WithdrawalProcessor:
    """What resolve does with withdrawals, and with events that a withdrawal may be waiting for."""

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
        """Remember events by their supersede keys, before they enter the ledger; those withdrawn enter as such.

        The messages tell of these, for `rebuild`.
        """
        untils = await self._withdrawals.note(items)
        messages = []
        for item, until_ms in zip(items, untils, strict=True):
            if until_ms is not None and item.time_ms <= until_ms:
                await self._ledger.withdraw(item.event, until_ms, item.keep_s)
                messages.append(self._kept(WithdrawalRecord(item.event, "", until_ms, item.keep_s)))
        return messages

    async def __call__(self, withdrawal: Withdrawal) -> AsyncIterator[list[Message]]:
        """Take back what is meant; the messages, some hundreds at a time. Doing it again tells the same again.

        The word itself is the first of them: its record is not finished before Kafka has it. Events are marked
        first, since the mark alone already keeps their pending mail from going out.
        """
        word = WithdrawalRecord(withdrawal.event, withdrawal.supersede, withdrawal.time_ms, withdrawal.keep_s)
        yield [self._kept(word)]
        events: Sequence[str] = (word.event,)
        if word.supersede:
            events = await self._withdrawals.withdraw(word.supersede, word.until_ms, word.keep_s)
        for start in range(0, len(events), _AT_ONCE):
            part = events[start : start + _AT_ONCE]
            marks = (self._ledger.withdraw(event, word.until_ms, word.keep_s) for event in part)
            await asyncio.gather(*marks)
        for event in events:
            head = await self._ledger.head(event)
            if head is None or "type" not in head:
                continue  # not seen yet
            async for entries in _parts(self._ledger.entries(event)):
                yield await self._stop(entries, head, withdrawal)

    def _kept(self, word: WithdrawalRecord) -> Message:
        return Message(self._topics.withdrawals, word.key, word.to_bytes())

    async def _stop(
        self, entries: Sequence[Entry], head: Mapping[str, object], withdrawal: Withdrawal
    ) -> list[Message]:
        """Move these deliveries to withdrawn; what is on its way to a relay goes on, and is looked at after it."""
        said = f"by {withdrawal.id} of {withdrawal.source}"
        transitions = [self._transition(entry, said) for entry in entries if entry.state in _STOPPABLE]
        results = await self._ledger.transition(transitions) if transitions else []
        made = {
            m.delivery: m for m, r in zip(transitions, results, strict=True) if r.state is State.withdrawn
        }
        stopped = [e for e in entries if e.delivery in made or e.state is State.withdrawn]
        await self._due.drop([e.delivery for e in stopped if CHANNELS[Channel(e.channel)].retried])
        of_recipient: dict[str, list[str]] = {}
        for entry in stopped:
            if entry.channel == Channel.inbox:
                of_recipient.setdefault(entry.recipient, []).append(entry.delivery)
        boxes = list(of_recipient.items())
        for start in range(0, len(boxes), _AT_ONCE):
            await asyncio.gather(*(self._inbox.remove(*box) for box in boxes[start : start + _AT_ONCE]))
        return [self._told(e, made.get(e.delivery), head) for e in stopped]

    def _transition(self, entry: Entry, said: str) -> Transition:
        return Transition(
            entry.event,
            entry.delivery,
            State.withdrawn,
            Reason.withdrawn_by_source,
            self._clock.now_ms(),
            entry.steps[0].attempt,
            said,
        )

    def _told(self, entry: Entry, transition: Transition | None, head: Mapping[str, object]) -> Message:
        """The outcome; of a move made before, as it was made, since its telling may have been lost."""
        step = entry.steps[0]
        if transition is not None:
            step = replace(step, at_ms=transition.at_ms, detail=transition.detail)
        step = replace(step, state=State.withdrawn, reason=Reason.withdrawn_by_source)
        return message_of(self._topics, Outcome.of_entry(entry, head, step))


async def _parts(entries: AsyncIterator[Entry]) -> AsyncIterator[list[Entry]]:
    part: list[Entry] = []
    async for entry in entries:
        part.append(entry)
        if len(part) == _CHUNK:
            yield part
            part = []
    if part:
        yield part
