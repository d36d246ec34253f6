"""Bounces and complaints that come back as mail: believed by the signature in their address, told to the ledger."""

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
from service.observability.metrics import BOUNCES
from service.pipeline.bounces.dsn import Report, ReportKind, read_report
from service.pipeline.email.soft_bounces import SoftBounceScorer
from service.pipeline.messages import message_of
from service.ports import Clock, Ledger, LookupKeys, Publisher, Tables, TableWrites

# RFC 3463: the mailbox, not the mail or the way to it, is at fault; the same codes as for a relay's own replies
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
    """What was made of a mail: `bounced`, `complained`, `scored`, or `dropped`, and why."""

    what: str
    reason: str = ""


class BounceProcessor:
    """Takes what comes back. The same report again changes nothing more, so whoever gives it may give it again."""

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

    async def take(self, raw: bytes, envelope: Sequence[str] = ()) -> BounceResult:
        """A whole mail, and the addresses that it came to. Raises Unavailable."""
        report = read_report(raw)
        return await self.reported(report, envelope) if report else _counted("dropped", "no_report")

    async def reported(self, report: Report, envelope: Sequence[str] = ()) -> BounceResult:
        """A report that was read, and the addresses that it came to. Raises Unavailable."""
        named = [*envelope, *report.senders]
        origin = next(filter(None, map(self.verp.read, named)), None)
        if origin is None:
            signed = any(self.verp.ours(address) for address in named)
            return _counted("dropped", "bad_signature" if signed else "not_ours")
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
        """Tell the ledger, stop mail where the mailbox is at fault, and tell operators, in this order."""
        now = self._clock.now_ms()
        detail = mask_text(" ".join(filter(None, (report.status, report.detail))))[:300]
        transition = Transition(origin.event, origin.delivery, State.bounced, reason, now, detail=detail)
        await self._ledger.transition([transition])
        entry = await self._ledger.entry(origin.event, origin.delivery)
        messages: list[Message] = []
        # What stands already is told again: its telling may have been lost.
        if entry is not None and entry.state is State.bounced and entry.steps[0].reason is reason:
            messages.append(await self._outcome(origin, entry))
        if suppress is not None and (found := await self._address(origin, report, entry)):
            key, address = found
            row = (
                suppression(address, suppress, now, detail)[1]
                if address
                else Suppression(suppress, now, detail)
            )
            await self._writes.put_suppression(key, row)
            messages.append(Message(self._topics.table("suppressions"), key.encode(), row.to_bytes()))
        if messages:
            await self._publisher.publish(messages)

    async def _score(self, origin: Origin, report: Report) -> BounceResult:
        """A failure that may pass: nothing is final, it only counts against the mailbox."""
        entry = await self._ledger.entry(origin.event, origin.delivery)
        found = await self._address(origin, report, entry)
        if found is None or not found[1]:
            return _counted("dropped", "address_unknown")
        reason = Reason.mailbox_full if report.status == "4.2.2" else Reason.temporary
        if messages := await self._soft.count([(found[1], reason)]):
            await self._publisher.publish(messages)
        return _counted("scored", "4")

    async def _address(self, origin: Origin, report: Report, entry: Entry | None) -> tuple[str, str] | None:
        """The key of the address that the mail went to, and the address if it can be had; None when neither can.

        What the report says counts only if it fits the signed beginning of the key.
        """
        for address in report.addresses:
            if origin.went_to(address):
                return address_key(address), address
        if entry is None:
            return None
        key = pseudonym_key(entry.recipient)
        if key and key.startswith(origin.hint):
            return key, ""
        rows = await self._tables.lookup(LookupKeys(recipients={entry.recipient}))
        row = rows.recipients.get(entry.recipient)
        if row is not None and row.address and origin.went_to(row.address):
            return address_key(row.address), row.address
        return None

    async def _outcome(self, origin: Origin, entry: Entry) -> Message:
        head = await self._ledger.head(origin.event) or {}
        return message_of(self._topics, Outcome.of_entry(entry, head))


def _counted(result: str, reason: str = "") -> BounceResult:
    BOUNCES.labels(result, reason).inc()
    return BounceResult(result, reason)
