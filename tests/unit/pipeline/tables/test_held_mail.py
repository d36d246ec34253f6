"""Mail that is held until a time goes to the email stage again when a row that decides on the time is written."""

import pytest

from service.model.access import Account
from service.model.channels import Channel
from service.model.holds.calendar import Frequency, QuietHours, QuietWindow
from service.model.ids import delivery_id
from service.model.ledger import State
from service.model.reasons import Reason
from service.model.recipient import Choice, Contact, Recipient
from service.model.topics import TopicNames
from service.pipeline.tables.held_mail import HeldMail
from service.pipeline.tables.preference_centre import PreferenceCentre, PreferenceChange, PreferenceOwner
from service.pipeline.tables.records import RowChange, apply_changes
from service.pipeline.tables.writer import TableStores, TableWriter
from service.ports import Unavailable
from tests.fakes.clock import FakeClock
from tests.fakes.credentials import FakeApiKeys
from tests.fakes.due import FakeDueSet
from tests.fakes.publisher import FakePublisher
from tests.fakes.row_locks import FakeRowLocks
from tests.fakes.tables import FakeTables
from tests.support.catalogues import small_catalogue
from tests.support.rendering import make_delivery

NOW, LATER = 1_790_000_000_000, 1_790_030_000_000
NIGHT: QuietHours = (QuietWindow(start="22:00", end="07:00"),)


class Rig:
    """Stores with a due set, and a writer on them; alice, bob and the contacts of acme are known."""

    def __init__(self) -> None:
        self.clock, self.tables, self.due = FakeClock(NOW), FakeTables(), FakeDueSet()
        held = HeldMail(self.due, self.tables, self.clock)
        keys = FakeApiKeys()
        self.stores = TableStores(self.tables, self.tables, self.tables.accounts, keys, self.tables, held)
        self.writer = TableWriter(self.stores, FakePublisher(), FakeRowLocks(), TopicNames(), self.clock)

    async def hold(self, *recipients: str, state: State = State.held) -> None:
        """Let one mail wait for each of the recipients."""
        for name in recipients:
            delivery = make_delivery(id=delivery_id("e" * 24, name, Channel.email), recipient=name)
            reasons = [Reason.quiet_hours if state is State.held else Reason.none]
            await self.due.add([delivery], [LATER], [state], reasons)

    async def hastened(self) -> set[str]:
        """Return the recipients whose mail is due now."""
        return {one.delivery.recipient for one in await self.due.take(NOW, 10_000)}


@pytest.fixture
async def rig() -> Rig:
    rig = Rig()
    await rig.tables.put_recipients([Recipient(id=name, version=1) for name in ("alice", "bob")])
    contacts = {"c1": None, "c2": None, "own": NIGHT}
    await rig.tables.put_contacts(
        [
            Contact(uuid=uuid, account="acme", email="c@example.com", quiet_hours=hours, version=1)
            for uuid, hours in contacts.items()
        ]
    )
    return rig


async def test_a_change_through_the_api(rig: Rig) -> None:
    """Of the person whose row it is, and no other; what waits for its next attempt is left alone."""
    await rig.hold("alice", "bob", "c1", "c2")
    centre = PreferenceCentre(small_catalogue(), rig.writer, rig.clock)

    await centre.change(PreferenceOwner("alice"), [], {"timezone": "Europe/Vienna"})
    assert await rig.hastened() == {"alice"}
    await centre.change(PreferenceOwner("c1", account="acme"), [], {"quiet_hours": NIGHT})
    assert await rig.hastened() == {"c1"}

    await rig.hold("alice", state=State.deferred)
    weekly = PreferenceChange("weekly_news", "email", on=True, frequency=Frequency.daily)
    await centre.change(PreferenceOwner("alice"), [weekly])
    assert await rig.hastened() == set()


async def test_a_record_of_a_table(rig: Rig) -> None:
    """Also when it is read again, but not an older one, which is not stored."""
    await rig.hold("alice", "c2")
    choices = {"overbid:email": Choice(on=True, frequency=Frequency.daily)}
    rows = [
        RowChange("recipients", "alice", Recipient(id="alice", preferences=choices, version=2), 2),
        RowChange(
            "contacts", "acme|c2", Contact(uuid="c2", account="acme", email="c@example.com", version=0), 0
        ),
    ]
    for _ in range(2):
        await apply_changes(rig.stores, rows)
        assert await rig.hastened() == {"alice"}
        await rig.hold("alice")


async def test_the_quiet_hours_of_an_account(rig: Rig) -> None:
    """Of its contacts that have none of their own; a new password changes nothing."""
    account = Account(id="acme", credential="h", quiet_hours=NIGHT, version=2)
    await rig.hold("alice", "c1", "c2", "own")
    await apply_changes(rig.stores, [RowChange("accounts", "acme", account, 2)])
    assert await rig.hastened() == {"c1", "c2"}

    await rig.hold("c1", "c2")
    await rig.writer.account("acme", "another hash")
    assert await rig.hastened() == set()
    assert rig.tables.accounts.rows["acme"].quiet_hours == NIGHT

    none = account.model_copy(update={"quiet_hours": None, "version": NOW + 1})
    await apply_changes(rig.stores, [RowChange("accounts", "acme", none, none.version)])
    assert await rig.hastened() == {"c1", "c2"}


async def test_many_recipients(rig: Rig) -> None:
    """More than are looked up at once, each of them once."""
    names = [f"r{number}" for number in range(2100)]
    await rig.hold(*names[::3])
    await rig.stores.put_recipients([Recipient(id=name, version=1) for name in names])
    assert await rig.hastened() == set(names[::3])


async def test_an_outage_of_the_due_set(rig: Rig) -> None:
    """The row is stored, and the write fails: its record is read again, or the caller retries."""
    await rig.hold("alice")
    rig.due.outage.reason = "away"
    row = RowChange("recipients", "alice", Recipient(id="alice", timezone="Asia/Tokyo", version=2), 2)
    with pytest.raises(Unavailable):
        await apply_changes(rig.stores, [row])
    rig.due.outage.reason = None
    await apply_changes(rig.stores, [row])
    assert await rig.hastened() == {"alice"}
