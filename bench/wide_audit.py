"""The audit of a wide event: every recipient has one inbox entry and one mail, and the ledger says so."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from service.adapters.redis.ledger.rows import entry_of
from service.bootstrap.parts import Parts
from service.model.channels import Channel
from service.model.ids import delivery_id
from service.model.ledger import State

_PART = 5_000
_FINAL = {Channel.email: State.sent, Channel.inbox: State.delivered}


@dataclass(slots=True)
class Audit:
    """Counts of deliveries.

    `open_or_other`: not `sent` or `delivered` in the ledger. `in_doubt`: mails that were `ambiguous` meanwhile, which
    alone may be sent twice.
    """

    recipients: int = 0
    open_or_other: int = 0
    in_doubt: int = 0
    entries_lost: int = 0
    entries_twice: int = 0
    mails_lost: int = 0
    mails_twice: int = 0

    @property
    def lost(self) -> int:
        """Return the deliveries that are missing somewhere: in the ledger, an inbox or the sink."""
        return max(self.open_or_other, self.entries_lost + self.mails_lost)

    @property
    def exact(self) -> bool:
        """Return whether nothing is lost, no entry is there twice, and no mail beyond those in doubt."""
        return not (self.lost or self.entries_twice) and self.mails_twice <= self.in_doubt


async def audit(parts: Parts, event: str, recipients: Iterable[str], counted: Mapping[str, int]) -> Audit:
    """Look every recipient up, some thousand at a time. `counted`: mails by Message-ID, as the sink counts them.

    All mails are of this event, and a Message-ID is that of one delivery: as many distinct ones as recipients are one
    for each.
    """
    audited, left = Audit(), iter(recipients)
    while part := list(islice(left, _PART)):
        audited.recipients += len(part)
        await _check_ledger(parts, event, part, audited)
        keys = parts.store.keys
        sizes = await parts.store.pipeline([("HLEN", keys.inbox(recipient)) for recipient in part])
        audited.entries_lost += sum(size < 1 for size in sizes)
        audited.entries_twice += sum(size > 1 for size in sizes)
    audited.mails_lost = max(0, audited.recipients - counted["distinct"])
    audited.mails_twice = counted["doubled"] + max(0, counted["distinct"] - audited.recipients)
    return audited


async def _check_ledger(parts: Parts, event: str, recipients: Sequence[str], audited: Audit) -> None:
    for channel, final in _FINAL.items():
        ids = [delivery_id(event, recipient, channel) for recipient in recipients]
        for delivery, row in zip(ids, await parts.ledger.rows([(event, one) for one in ids]), strict=True):
            steps = entry_of(event, delivery, row).steps if row else ()
            audited.open_or_other += not steps or steps[0].state is not final
            audited.in_doubt += any(step.state is State.ambiguous for step in steps)
