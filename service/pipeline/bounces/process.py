"""Processing of bounces and complaints that come back by mail.

1. Find the delivery by the signed envelope sender (VERP). Without one the report is dropped.
2. A complaint, or a permanent failure: write `bounced` to the ledger, suppress the address where the mailbox is at
   fault, then publish the outcome and the suppression.
3. A temporary failure: add to the soft-bounce score of the address.
"""

from collections.abc import Sequence
from typing import NamedTuple

from service.model.ids import address_key, pseudonym_key
from service.model.ledger import Entry, State, Transition
from service.model.mask import mask_text
from service.model.outcome import Outcome
from service.model.reasons import Reason
from service.model.record import Message
from service.model.suppression import Suppression, suppression
from service.model.topics import TopicNames
from service.model.verp import Origin, Verp
from service.observability.metrics import BOUNCES, LOST_DELIVERIES
from service.pipeline.bounces.dsn import Report, ReportKind, read_report
from service.pipeline.email.soft_bounces import SoftBounceScorer
from service.pipeline.messages import message_of
from service.ports import Clock, Ledger, LookupKeys, Publisher, Tables, TableWrites

# RFC 3463: the mailbox, not the message or its route, is at fault; the same codes as for a relay's own replies
_MAILBOX = {
    "5.1.0": Reason.mailbox_unknown,
    "5.1.1": Reason.mailbox_unknown,
    "5.1.2": Reason.domain_unknown,
    "5.1.3": Reason.mailbox_unknown,
    "5.1.6": Reason.mailbox_unknown,
    "5.1.10": Reason.domain_unknown,
    "5.2.1": Reason.mailbox_disabled,
    "5.4.1": Reason.mailbox_unknown,
}
_NO_COMPLAINTS = frozenset({"not-spam", "auth-failure"})  # RFC 5965 section 3.1, RFC 6591


class BounceResult(NamedTuple):
    """The result of a report: `bounced`, `complained`, `scored`, or `dropped`, and why."""

    result: str
    reason: str = ""


class _Mailbox(NamedTuple):
    """The address that a message was sent to, by its `address_key`; `address` is empty where only the key is known."""

    key: str
    address: str


class BounceProcessor:
    """Processes reports that come back. A repeated report changes nothing more, so a caller may retry it."""

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
    ) -> None:
        self.verp = verp
        self._ledger = ledger
        self._tables = tables
        self._writes = writes
        self._soft = soft
        self._topics = topics
        self._clock = clock
        self._publisher = publisher

    async def process_message(self, raw: bytes, envelope: Sequence[str] = ()) -> BounceResult:
        """Process a whole message, and the addresses of its envelope's recipients. Raise Unavailable."""
        report = read_report(raw)
        return await self.process_report(report, envelope) if report else _counted("dropped", "no_report")

    async def process_report(self, report: Report, envelope: Sequence[str] = ()) -> BounceResult:
        """Find the delivery by its signed address, and record the bounce or complaint. Raise Unavailable.

        `envelope`: the SMTP recipients of the report.
        """
        senders = [*envelope, *report.senders]
        origin = next(filter(None, map(self.verp.read, senders)), None)
        if origin is None:
            ours = any(self.verp.in_domain(address) for address in senders)
            return _counted("dropped", "bad_signature" if ours else "not_ours")
        if report.kind is ReportKind.complaint:
            if report.action in _NO_COMPLAINTS:
                return _counted("dropped", "no_complaint")
            await self._close(origin, report, Reason.complaint_received, Reason.complaint_received)
            return _counted("complained")
        if report.status.startswith("4.") or (report.action == "delayed" and not report.status):
            return await self._score(origin, report)
        if report.status.startswith("2.") or report.action in ("delivered", "relayed", "expanded"):
            return _counted("dropped", "no_failure")
        await self._close(origin, report, Reason.bounce_received, _MAILBOX.get(report.status))
        return _counted("bounced", report.status[:1])

    async def _close(self, origin: Origin, report: Report, reason: Reason, suppress: Reason | None) -> None:
        """Write `bounced`, and suppress the address for the reason in `suppress`, if any; then publish both."""
        now_ms = self._clock.now_ms()
        detail = mask_text(" ".join(filter(None, (report.status, report.detail))))[:300]
        transition = Transition(origin.event, origin.delivery, State.bounced, reason, now_ms, detail=detail)
        # Ledger and table before Kafka: an outcome must not be published for a transition that the ledger refuses. If
        # publishing fails, the caller repeats the report, and what is stored already is published again.
        await self._ledger.transition([transition])
        entry = await self._ledger.entry(origin.event, origin.delivery)
        if entry is None:  # the report does not say whose it was: the address alone can be judged
            LOST_DELIVERIES.add(("email", "reported"))
        messages: list[Message] = []
        if entry is not None and entry.state is State.bounced and entry.newest_step.reason is reason:
            messages.append(await self._outcome_message(origin, entry))
        if suppress is not None and (mailbox := await self._mailbox(origin, report, entry)):
            row = Suppression(suppress, now_ms, detail)
            if mailbox.address:
                _, row = suppression(mailbox.address, suppress, now_ms, detail)
            await self._writes.put_suppression(mailbox.key, row)
            messages.append(Message(self._topics.table("suppressions"), mailbox.key.encode(), row.to_bytes()))
        if messages:
            await self._publisher.publish(messages)

    async def _score(self, origin: Origin, report: Report) -> BounceResult:
        """Count a temporary failure against the mailbox. The delivery keeps its state."""
        entry = await self._ledger.entry(origin.event, origin.delivery)
        mailbox = await self._mailbox(origin, report, entry)
        if mailbox is None or not mailbox.address:
            return _counted("dropped", "address_unknown")
        reason = Reason.mailbox_full if report.status == "4.2.2" else Reason.temporary
        if messages := await self._soft.count([(mailbox.address, reason)]):
            await self._publisher.publish(messages)
        return _counted("scored", "4")

    async def _mailbox(self, origin: Origin, report: Report, entry: Entry | None) -> _Mailbox | None:
        """Return the mailbox that the message was sent to; None when neither address nor key is known.

        An address in the report counts only if it fits the signed beginning of the key: otherwise a forged report
        could stop mail to any address.
        """
        for address in report.addresses:
            if origin.sent_to(address):
                return _Mailbox(address_key(address), address)
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

    async def _outcome_message(self, origin: Origin, entry: Entry) -> Message:
        head = await self._ledger.head(origin.event) or {}
        return message_of(self._topics, Outcome.of_entry(entry, head))


def _counted(result: str, reason: str = "") -> BounceResult:
    BOUNCES.labels(result, reason).inc()
    return BounceResult(result, reason)
