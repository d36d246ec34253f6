"""The last look before sending: what has changed since resolve is decided anew, by the same rules."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from service.model.catalogue import Catalogue, Channel
from service.model.delivery import Delivery, Found
from service.model.ledger import Reason, State
from service.model.recipient import preference_key
from service.pipeline.audience import Candidate, from_contact, from_recipient, group_members
from service.pipeline.precedence import Verdict, decide
from service.ports import Rows, Supersedes, Tables, Wanted


@dataclass(frozen=True, slots=True)
class Checked:
    """A delivery as it must be sent now, and the verdict on it."""

    delivery: Delivery
    verdict: Verdict


async def recheck(
    deliveries: Sequence[Delivery], catalogue: Catalogue, tables: Tables, supersedes: Supersedes, now_ms: int
) -> list[Checked]:
    """Look up the rows of a batch once and judge each delivery. Raises Unavailable."""
    rows = await tables.lookup(_wanted(deliveries))
    current = [_current(delivery, rows) for delivery in deliveries]
    suppressed = await tables.suppressed([c.address if c else "" for c in current])
    keys = [d.supersede_key for d in deliveries]
    asked = sorted({key for key in keys if key})
    newest = dict(zip(asked, await supersedes.newest(asked) if asked else (), strict=True))
    return [
        _judge(delivery, candidate, stopped, newest.get(key), catalogue, now_ms)
        for delivery, candidate, stopped, key in zip(deliveries, current, suppressed, keys, strict=True)
    ]


def _wanted(deliveries: Iterable[Delivery]) -> Wanted:
    wanted = Wanted()
    for delivery in deliveries:
        if delivery.found is Found.group:
            wanted.groups.add(_group(delivery))
        elif delivery.found is Found.account:
            wanted.accounts.add(delivery.scope)
        else:
            wanted.recipients.add(delivery.recipient)
    return wanted


def _group(delivery: Delivery) -> tuple[str, str]:
    external_id, _, project_id = delivery.scope.rpartition("|")
    return external_id, project_id


def _current(delivery: Delivery, rows: Rows) -> Candidate | None:
    """The recipient as the tables have it now; None when it is there no more."""
    if delivery.found is Found.group:
        members = group_members(*_group(delivery), delivery.type, rows)
        return next((m for m in members if m.recipient == delivery.recipient), None)
    if delivery.found is Found.account:
        contacts = rows.accounts.get(delivery.scope, ())
        return next((from_contact(c) for c in contacts if c.uuid == delivery.recipient), None)
    row = rows.recipients.get(delivery.recipient)
    return from_recipient(row, delivery.recipient, delivery.found, delivery.scope) if row else None


def _judge(
    delivery: Delivery,
    candidate: Candidate | None,
    suppressed: bool,
    newest: str | None,
    catalogue: Catalogue,
    now_ms: int,
) -> Checked:
    if delivery.deadline_ms <= now_ms:
        return Checked(
            delivery, Verdict(State.expired, Reason.past_deadline, f"deadline {delivery.deadline_ms}")
        )
    if newest and newest != delivery.event:
        return Checked(delivery, Verdict(State.superseded, Reason.newer_event, f"by event {newest}"))
    if candidate is None:
        reason = Reason.not_in_group if delivery.found is Found.group else Reason.no_such_recipient
        return Checked(delivery, Verdict(State.skipped, reason, "no longer in the table"))
    if not candidate.address:
        return Checked(delivery, Verdict(State.skipped, Reason.no_address, "the recipient has no address"))
    row = catalogue[delivery.type]
    verdict = decide(
        row,
        Channel.email,
        choice=candidate.preferences.get(preference_key(row.name, Channel.email)),
        suppressed=suppressed,
        listed=delivery.found is Found.group,
    )
    changed = delivery.model_copy(
        update={
            "address": candidate.address,
            "name": candidate.name,
            "locale": candidate.locale,
            "timezone": candidate.timezone,
            "seen": candidate.seen,
        }
    )
    return Checked(changed if candidate.seen != delivery.seen else delivery, verdict)
