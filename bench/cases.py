"""The cases of the pipeline benchmark: events of one type, the rows that they need, their final state."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import orjson

from service.bootstrap.parts import Parts
from service.model.recipient import Choice, Contact, Group, preference_key

SOURCE = "/bench"
OWNERS = 2_000
"""Number of accounts with one contact each, and of groups with one address each, that events are spread over."""
_DOMAINS = 100


@dataclass(frozen=True, slots=True)
class Case:
    """One type of event. Each event has one delivery, which must end in the state `final`."""

    name: str
    type: str
    final: str
    mail: bool

    def event(self, run: str, i: int) -> tuple[bytes, bytes]:
        """Return key and value of an event as an upstream service would publish it: JSON, some 350 bytes."""
        owner = f"acct-{i % OWNERS}" if not self.mail else f"proj-{i % OWNERS}"
        fields = {
            "specversion": "1.0",
            "id": event_id(run, i),
            "source": SOURCE,
            "type": self.type,
            "time": datetime.now(UTC).isoformat(),
            "datacontenttype": "application/json",
            **(_mail(owner, i) if self.mail else _inbox(owner, i)),
        }
        return owner.encode(), orjson.dumps(fields)

    def recipient(self, i: int) -> str:
        """Return the contact or the address that an event is for."""
        return _address(i % OWNERS) if self.mail else f"contact-{i % OWNERS}"


def event_id(run: str, i: int) -> str:
    """Return the id of an event, which ends in its number."""
    return f"{run}-{i}"


def _inbox(account: str, i: int) -> dict[str, object]:
    data = {"payment_id": f"PAY-{i}", "amount": 49.9 + i % 100, "balance": 62.3, "currency": "EUR"}
    return {"account": account, "data": data}


def _mail(project: str, i: int) -> dict[str, object]:
    data = {
        "order_id": f"ORD-{i}",
        "updated_by": "Camille",
        "summary": "the delivery address",
        "expected_at": "2026-10-20T12:00:00Z",
    }
    return {"external_id": project, "project_id": "bench", "data": data}


CASES = (
    Case("inbox", "payment_approved", "delivered", mail=False),
    Case("mail", "order_update", "sent", mail=True),
)


async def seed(parts: Parts) -> None:
    """Fill the tables: a contact with its preference for each account, an address for each group."""
    key = preference_key("payment_approved", "inbox")
    contacts = [
        Contact(
            uuid=f"contact-{n}",
            account=f"acct-{n}",
            email=f"contact{n}@{_domain(n)}",
            name=f"Contact {n}",
            main=True,
            preferences={key: Choice(on=True, since_ms=1_700_000_000_000)},
            version=1,
        )
        for n in range(OWNERS)
    ]
    await parts.writes.put_contacts(contacts)
    for n in range(OWNERS):
        addresses = {"order_update": (_address(n),)}
        await parts.writes.put_group(
            Group(external_id=f"proj-{n}", project_id="bench", addresses=addresses, version=1)
        )
    await parts.completeness.mark_incomplete("the benchmark fills it")
    await parts.completeness.mark_complete()


def contact_ids() -> Iterator[str]:
    """Yield the recipients whose inboxes are filled."""
    return (f"contact-{n}" for n in range(OWNERS))


def _address(n: int) -> str:
    return f"orders{n}@{_domain(n)}"


def _domain(n: int) -> str:
    return f"mail{n % _DOMAINS}.example.com"
