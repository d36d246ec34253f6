"""Processing of messages that come back by mail: bounces, complaints, and what is neither.

1. Find the delivery by the signed envelope sender (VERP): by the address that the message came to, or as it is quoted.
   Without one only a complaint counts, if it quotes an unsubscribe link of ours.
2. Classify what the message says: the status part, else the words. What cannot be judged is recorded as `returned`.
3. A complaint, or a failure that is final: write `bounced` to the ledger, suppress the address where the mailbox is at
   fault, then publish the outcome and the suppression. A full mailbox adds to the soft-bounce score of its address.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

import structlog

from service.model.blocks.suppression import Suppression, suppression
from service.model.classifier import Diagnosis
from service.model.ids import address_key, pseudonym_key
from service.model.ledger import Entry, State, Transition
from service.model.mail import SendStatus
from service.model.mask import mask_text
from service.model.outcome import Outcome
from service.model.reasons import Reason
from service.model.record import Message
from service.model.signatures.verp import Origin, Verp
from service.model.topics import TopicNames
from service.observability.metrics import BOUNCES, LOST_DELIVERIES
from service.pipeline.bounces.diagnose import diagnose
from service.pipeline.bounces.read import read_report
from service.pipeline.bounces.report import Report, ReportKind
from service.pipeline.email.soft_bounces import SoftBounceScorer
from service.pipeline.messages import message_of
from service.pipeline.tables.unsubscribe_tokens import UnsubscribeTokens
from service.ports import Clock, Ledger, LookupKeys, Publisher, Tables, TableWrites, Unavailable

log = structlog.get_logger(__name__)

COMPLAINTS = "complaints"
"""The mailbox for feedback loops: a message of ours that is quoted to it is a complaint, with or without a report."""
ROLE_MAILBOXES = (COMPLAINTS, "postmaster", "abuse")
"""The mailboxes of the bounce domain for humans (RFC 5321 section 4.5.1, RFC 2142 section 4), and for complaints."""


class BounceResult(NamedTuple):
    """The result of a message that came back, and why.

    `bounced`, `complained`, `returned` (recorded, not judged), `received` (for a role mailbox) or `dropped`.
    """

    result: str
    reason: str = ""


class _Mailbox(NamedTuple):
    """The address that a message was sent to, by its `address_key`; `address` is empty where only the key is known."""

    key: str
    address: str


class BounceProcessor:
    """Processes messages that come back. A repeated one changes nothing more, so a caller may retry it.

    `tokens`: the reader of the tokens in our unsubscribe links, which prove a complaint; None without secrets.
    """

    def __init__(
        self,
        verp: Verp,
        ledger: Ledger,
        *,
        tables: Tables,
        writes: TableWrites,
        soft: SoftBounceScorer,
        topics: TopicNames,
        clock: Clock,
        publisher: Publisher,
        tokens: UnsubscribeTokens | None = None,
    ) -> None:
        self.verp = verp
        self._ledger = ledger
        self._tables = tables
        self._writes = writes
        self._soft = soft
        self._topics = topics
        self._clock = clock
        self._publisher = publisher
        self._tokens = tokens
        # one thread that reads leaves the interpreter to the event loop in time; several would take turns before it
        self._reading = asyncio.Semaphore(1)

    def role_mailbox(self, address: str) -> str:
        """Return the name of the role mailbox of our domain that an address is, such as `abuse`; else an empty text."""
        name = address.strip("<> ").lower().rpartition("@")[0].partition("+")[0]
        return name if name in ROLE_MAILBOXES and self.verp.in_domain(address) else ""

    async def process_message(self, raw: bytes, envelope: Sequence[str] = ()) -> BounceResult:
        """Process a whole message, and the addresses of its envelope's recipients. Raise Unavailable.

        It is read in a thread: the cost of reading is bounded, but not short enough for the event loop.
        """
        async with self._reading:
            report = await asyncio.to_thread(read_report, raw)
        return await self.process_report(report, envelope)

    async def process_report(self, report: Report, envelope: Sequence[str] = ()) -> BounceResult:
        """Find the delivery that the report is about, and record what it says. Raise Unavailable.

        `envelope`: the SMTP recipients of the report.
        """
        addressed = next(filter(None, map(self.verp.read, (*envelope, *report.addressed))), None)
        origin = addressed or next(filter(None, map(self.verp.find, report.senders)), None)
        roles = [role for role in map(self.role_mailbox, (*envelope, *report.addressed)) if role]
        if report.kind is ReportKind.automatic:
            return _counted("dropped", report.detail)
        if report.kind is ReportKind.complaint or (report.kind is ReportKind.quote and COMPLAINTS in roles):
            return await self._complaint(origin, report)
        if report.kind is ReportKind.bounce and origin is not None:
            return await self._bounce(origin, report)
        if addressed is not None:
            return await self._bounce(addressed, report)
        if roles:
            log.info("role_mail_received", mailbox=roles[0], kind=report.kind.value)
            return _counted("received", roles[0])
        ours = any(self.verp.in_domain(address) for address in (*envelope, *report.addressed))
        return _counted("dropped", "bad_signature" if ours or report.senders else "not_ours")

    async def _bounce(self, origin: Origin, report: Report) -> BounceResult:
        recipient = report.recipient(origin.sent_to)
        diagnosis = diagnose(report, recipient)
        detail = mask_text(" ".join(filter(None, (recipient.status, recipient.diagnostic or report.text))))[
            :300
        ]
        match diagnosis.status:
            case SendStatus.accepted:
                return _counted("dropped", "no_failure")
            case SendStatus.bounced:
                reason = Reason.bounce_received
                if recipient.status.startswith("4.") or diagnosis.reason is Reason.expired_in_transit:
                    reason = Reason.expired_in_transit  # a temporary failure until a relay gave up
                transition = self._transition(origin, State.bounced, reason, detail)
                await self._close(origin, report, transition, diagnosis)
                return _counted("bounced", diagnosis.reason.value)
        if diagnosis.judged:
            return _counted("dropped", "delayed")
        return await self._record_return(origin, detail or "no text")

    async def _complaint(self, origin: Origin | None, report: Report) -> BounceResult:
        """Close the delivery and suppress its address; without the delivery only suppress, by the address's key."""
        reason = Reason.complaint_received
        if origin is not None:
            transition = self._transition(origin, State.bounced, reason, report.detail or "abuse")
            await self._close(origin, report, transition, None)
            return _counted("complained")
        if not (keys := self._proven_keys(report)):
            return _counted("dropped", "bad_signature" if report.senders or report.tokens else "not_ours")
        row = Suppression(reason, self._clock.now_ms(), report.detail or "abuse")
        await self._publisher.publish([await self._suppress(_Mailbox(keys[0], ""), row)])
        return _counted("complained", "by_token")

    async def _record_return(self, origin: Origin, detail: str) -> BounceResult:
        """Record for the operator that something came back. Nothing is closed or suppressed.

        An open delivery keeps its state, which its next attempt depends on. One that is being sent is recorded once
        the relay's reply is: the other server keeps the message and retries.
        """
        transition = self._transition(origin, State.returned, Reason.unjudged_return, detail)
        await self._ledger.transition([transition])
        entry = await self._ledger.entry(origin.event, origin.delivery)
        if entry is not None and entry.state is State.sending:
            raise Unavailable("the returned message is still being sent")
        if entry is not None and entry.state is State.returned:
            await self._publisher.publish([await self._outcome_message(origin, entry)])
        log.warning("message_returned_unjudged", delivery=origin.delivery)
        return _counted("returned")

    def _transition(self, origin: Origin, to: State, reason: Reason, detail: str) -> Transition:
        return Transition(origin.event, origin.delivery, to, reason, self._clock.now_ms(), detail=detail)

    async def _close(
        self, origin: Origin, report: Report, transition: Transition, diagnosis: Diagnosis | None
    ) -> None:
        """Write `bounced`, suppress or score the address by the diagnosis (None: a complaint), then publish it all."""
        # Ledger and table before Kafka: an outcome must not be published for a transition that the ledger refuses. If
        # publishing fails, the caller repeats the report, and what is stored already is published again.
        scores = diagnosis is not None and diagnosis.scores and await self._is_first(origin)
        await self._ledger.transition([transition])
        entry = await self._ledger.entry(origin.event, origin.delivery)
        if entry is None:  # the report does not say whose it was: the address alone can be judged
            LOST_DELIVERIES.add(("email", "reported"))
        messages: list[Message] = []
        if (
            entry is not None
            and entry.state is State.bounced
            and entry.newest_step.reason is transition.reason
        ):
            messages.append(await self._outcome_message(origin, entry))
        suppress = Reason.complaint_received
        if diagnosis is not None:
            suppress = Reason(diagnosis.reason) if diagnosis.suppress else Reason.none
        if (suppress or scores) and (mailbox := await self._mailbox(origin, report, entry)):
            if suppress:
                row = Suppression(suppress, transition.at_ms, transition.detail)
                messages.append(await self._suppress(mailbox, row))
            elif mailbox.address and diagnosis is not None:
                messages += await self._soft.count(
                    [(mailbox.address, Reason(diagnosis.reason), origin.delivery)]
                )
        if messages:
            await self._publisher.publish(messages)

    async def _is_first(self, origin: Origin) -> bool:
        """Return whether no report has closed the delivery yet: only the first counts against the mailbox."""
        entry = await self._ledger.entry(origin.event, origin.delivery)
        return entry is not None and entry.state is not State.bounced

    async def _suppress(self, mailbox: _Mailbox, row: Suppression) -> Message:
        """Store a suppression, and return the record of it."""
        if mailbox.address:
            _, row = suppression(mailbox.address, row.reason, row.at_ms, row.detail)
        await self._writes.put_suppression(mailbox.key, row)
        return Message(self._topics.table("suppressions"), mailbox.key.encode(), row.to_bytes())

    async def _mailbox(self, origin: Origin, report: Report, entry: Entry | None) -> _Mailbox | None:
        """Return the mailbox that the message was sent to; None when neither address nor key is known.

        An address in the report counts only if it fits the signed beginning of the key: otherwise a forged report
        could stop mail to any address.
        """
        for address in report.addresses:
            if origin.sent_to(address):
                return _Mailbox(address_key(address), address)
        for key in self._proven_keys(report):
            if key.startswith(origin.hint):
                return _Mailbox(key, "")
        if entry is None:
            return None
        key = pseudonym_key(entry.recipient)
        if key and key.startswith(origin.hint):
            return _Mailbox(key, "")
        rows = await self._tables.lookup(LookupKeys(recipients={entry.recipient}))
        row = rows.recipients.get(entry.recipient)
        if row is not None and row.address and origin.sent_to(row.address):
            return _Mailbox(address_key(row.address), row.address)
        return None

    def _proven_keys(self, report: Report) -> list[str]:
        """Return the `address_key` of each unsubscribe link of ours that the report quotes."""
        if self._tokens is None:
            return []
        keys: list[str] = []
        for token in report.tokens:
            with suppress(ValueError):
                keys.append(self._tokens.address_key(token))
        return keys

    async def _outcome_message(self, origin: Origin, entry: Entry) -> Message:
        head = await self._ledger.head(origin.event) or {}
        return message_of(self._topics, Outcome.of_entry(entry, head))


def _counted(result: str, reason: str = "") -> BounceResult:
    BOUNCES.labels(result, reason).inc()
    return BounceResult(result, reason)
