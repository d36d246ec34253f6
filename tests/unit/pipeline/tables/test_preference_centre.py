"""What a person can be notified of, what stops it, and their changes."""

from dataclasses import dataclass

import pytest

from service.adapters.catalogue_file import load_catalogue
from service.model.catalogue import AudienceRule
from service.model.channels import Channel
from service.model.ids import address_pseudonym
from service.model.reasons import Reason
from service.model.recipient import Choice, Contact, Group, Recipient, preference_key
from service.model.topics import TopicNames
from service.model.validators import FieldProblem
from service.pipeline.tables.preference_centre import (
    BY_RECIPIENT,
    ChannelPreference,
    PreferenceCentre,
    PreferenceChange,
    PreferenceOwner,
    PreferenceSheet,
)
from service.pipeline.tables.writer import TableStores, TableWriter
from service.settings import templates_directory
from tests.fakes.clock import FakeClock
from tests.fakes.credentials import FakeAccounts, FakeApiKeys
from tests.fakes.publisher import FakePublisher
from tests.fakes.row_locks import FakeRowLocks
from tests.fakes.tables import FakeTables

CATALOGUE = load_catalogue(templates_directory(), mandatory=("reset_password", "winner"))
ALICE, ADMIN = PreferenceOwner("alice"), PreferenceOwner("carol")
CONTACT = PreferenceOwner("uuid-1", account="acme")
BILLING = "Billing@example.com"
MEMBER = PreferenceOwner(address_pseudonym(BILLING), group="12345|")
OVERBID_OFF = PreferenceChange("overbid", "email", False)


@dataclass
class Rig:
    clock: FakeClock
    tables: FakeTables
    publisher: FakePublisher
    writer: TableWriter
    centre: PreferenceCentre

    async def sheet(self, owner: PreferenceOwner) -> PreferenceSheet:
        sheet = await self.centre.read(owner)
        assert sheet is not None
        return sheet


@pytest.fixture
async def rig() -> Rig:
    clock, tables, publisher = FakeClock(), FakeTables(), FakePublisher()
    stores = TableStores(tables, tables, FakeAccounts(), FakeApiKeys(), tables)
    writer = TableWriter(stores, publisher, FakeRowLocks(), TopicNames(), clock)
    await tables.put_recipients(
        [
            Recipient(id="alice", address="alice@example.com", locale="de", roles=("user",), version=1),
            Recipient(id="carol", address="carol@example.com", roles=("admin",), version=1),
        ]
    )
    await tables.put_contacts([Contact(uuid="uuid-1", account="acme", email="c@example.com", version=1)])
    lists = {"invoice_available": ("a@example.com", BILLING), "order_confirm": (BILLING,), "chat_ongoing": ()}
    await tables.put_group(Group(external_id="12345", addresses=lists, version=1))
    return Rig(clock, tables, publisher, writer, PreferenceCentre(CATALOGUE, writer, clock))


def of(sheet: PreferenceSheet, type_name: str, channel: str = "email") -> ChannelPreference:
    """Return what is in force for a type and a channel."""
    (row,) = (row for row in sheet.types if row.type.name == type_name)
    (preference,) = (one for one in row.channels if one.channel == channel)
    return preference


def names(sheet: PreferenceSheet) -> set[str]:
    return {row.type.name for row in sheet.types}


async def test_types_that_a_person_can_get(rig: Rig) -> None:
    """Users: those for users and for their roles; a contact: those of accounts; an address: those that list it."""
    users = {t.name for t in CATALOGUE if t.needs(AudienceRule.users)}
    admins = {t.name for t in CATALOGUE if "admin" in t.roles}

    assert names(await rig.sheet(ALICE)) == users
    assert names(await rig.sheet(ADMIN)) == users | admins
    assert names(await rig.sheet(CONTACT)) == {t.name for t in CATALOGUE.domain("account")}
    assert names(await rig.sheet(MEMBER)) == {"invoice_available", "order_confirm"}
    assert (await rig.sheet(ALICE)).locale == "de"
    assert (await rig.sheet(MEMBER)).address == BILLING


async def test_channels_that_reach_a_person(rig: Rig) -> None:
    """Each has the type's channels; an address has no inbox."""
    assert [one.channel for one in (await rig.sheet(ALICE)).types[0].channels] == [
        Channel.email,
        Channel.inbox,
    ]
    assert {one.channel for row in (await rig.sheet(MEMBER)).types for one in row.channels} == {Channel.email}


@pytest.mark.parametrize(
    "owner",
    [
        PreferenceOwner("nobody-knows"),
        PreferenceOwner("uuid-2", account="acme"),
        PreferenceOwner("uuid-1", account="other"),
        PreferenceOwner("addr-0", group="12345|"),
        PreferenceOwner(address_pseudonym(BILLING), group="none|"),
    ],
)
async def test_a_person_without_a_row(rig: Rig, owner: PreferenceOwner) -> None:
    """There is nothing to choose, and nothing is written."""
    assert await rig.centre.read(owner) is None
    assert await rig.centre.change(owner, [PreferenceChange("invoice_available", "email", False)]) is None
    assert not rig.publisher.messages


@pytest.mark.parametrize(
    ("owner", "type_name"), [(ALICE, "overbid"), (CONTACT, "payment_failed"), (MEMBER, "order_confirm")]
)
async def test_off_and_on_again(rig: Rig, owner: PreferenceOwner, type_name: str) -> None:
    """A choice is in force at once, for this type and channel alone, and has its time."""
    at_ms = rig.clock.now_ms()
    before = await rig.sheet(owner)

    off = await rig.centre.change(owner, [PreferenceChange(type_name, "email", False)])

    assert off is not None
    assert off == await rig.sheet(owner)
    assert (of(off, type_name).on, of(off, type_name).since_ms) == (False, at_ms)
    changed = {
        (row.type.name, one.channel)
        for row, old in zip(off.types, before.types, strict=True)
        for one, was in zip(row.channels, old.channels, strict=True)
        if one != was
    }
    assert changed == {(type_name, "email")}
    on = await rig.centre.change(owner, [PreferenceChange(type_name, "email", True)])
    assert on is not None
    assert of(on, type_name).on


async def test_the_inbox_of_a_recipient(rig: Rig) -> None:
    """Email of the same type stays as it is."""
    sheet = await rig.centre.change(ALICE, [PreferenceChange("overbid", "inbox", False)])

    assert sheet is not None
    assert (of(sheet, "overbid", "inbox").on, of(sheet, "overbid").on) == (False, True)
    assert rig.tables.recipients["alice"].preferences == {
        preference_key("overbid", "inbox"): Choice(on=False, since_ms=rig.clock.now_ms(), by=BY_RECIPIENT)
    }


async def test_an_unsubscribe(rig: Rig) -> None:
    """It turns email off, whatever is chosen; turning email on ends it, turning the inbox on does not."""
    key = ALICE.unsubscribe_key("overbid")
    await rig.writer.unsubscribe(key, "overbid", "the link in a mail")
    since_ms = rig.clock.now_ms()
    stopped = of(await rig.sheet(ALICE), "overbid")
    assert (stopped.on, stopped.since_ms) == (False, since_ms)
    assert stopped.unsubscribed == Choice(on=False, since_ms=since_ms, by="the link in a mail")
    assert of(await rig.sheet(ALICE), "overbid", "inbox").on

    still = await rig.centre.change(ALICE, [PreferenceChange("overbid", "inbox", True)])
    assert still is not None
    assert not of(still, "overbid").on

    sheet = await rig.centre.change(ALICE, [PreferenceChange("overbid", "email", True)])
    assert sheet is not None
    assert (of(sheet, "overbid").on, of(sheet, "overbid").unsubscribed) == (True, None)
    assert await rig.writer.read_unsubscribe(key) is None


async def test_a_suppression(rig: Rig) -> None:
    """It shows at every type that it stops, and no change ends it; one that is over shows nowhere."""
    await rig.writer.suppress("alice@example.com", Reason.complaint_received)

    sheet = await rig.centre.change(ALICE, [PreferenceChange("overbid", "email", True)])

    assert sheet is not None
    shown = {row.type.name: row.channels[0].suppression for row in sheet.types}
    assert {name for name, suppression in shown.items() if suppression is None} == {"winner"}
    assert of(sheet, "overbid").on
    assert of(sheet, "overbid", "inbox").suppression is None


async def test_a_mandatory_type(rig: Rig) -> None:
    """It is on, whatever was chosen before, and cannot be turned off."""
    await rig.tables.put_recipients(
        [
            Recipient(
                id="alice",
                preferences={preference_key("winner", "email"): Choice(on=False)},
                version=2,
            )
        ]
    )
    assert of(await rig.sheet(ALICE), "winner") == ChannelPreference(Channel.email, on=True, mandatory=True)

    with pytest.raises(FieldProblem, match="cannot be turned off"):
        await rig.centre.change(ALICE, [PreferenceChange("winner", "email", False)])


@pytest.mark.parametrize(
    ("owner", "change", "field"),
    [
        (ALICE, PreferenceChange("none", "email", False), "type"),
        (ALICE, PreferenceChange("payment_failed", "email", False), "type"),
        (ALICE, PreferenceChange("new_upload", "email", False), "type"),
        (CONTACT, PreferenceChange("payment_failed", "inbox", False), "channel"),
        (CONTACT, PreferenceChange("payment_failed", "post", False), "channel"),
        (MEMBER, PreferenceChange("chat_ongoing", "email", False), "type"),
    ],
)
async def test_changes_that_are_not_possible(
    rig: Rig, owner: PreferenceOwner, change: PreferenceChange, field: str
) -> None:
    """The error names the field, and nothing is written, not even the changes before it."""
    good = next(
        PreferenceChange(row.type.name, "email", False)
        for row in (await rig.sheet(owner)).types
        if not row.channels[0].mandatory
    )

    with pytest.raises(FieldProblem) as refused:
        await rig.centre.change(owner, [good, change])

    assert refused.value.field == ("preferences", "1", field)
    assert not rig.publisher.messages


async def test_the_same_choice_again(rig: Rig) -> None:
    """It keeps its first time, and is not published again."""
    first = await rig.centre.change(ALICE, [OVERBID_OFF])
    rig.clock.advance(60_000)
    published = len(rig.publisher.messages)

    assert await rig.centre.change(ALICE, [OVERBID_OFF]) == first
    assert len(rig.publisher.messages) == published


async def test_people_do_not_share_choices(rig: Rig) -> None:
    """A contact whose uuid is a recipient's id is another person."""
    await rig.tables.put_contacts([Contact(uuid="alice", account="acme", email="x@example.com", version=1)])

    await rig.centre.change(
        PreferenceOwner("alice", account="acme"), [PreferenceChange("payment", "email", False)]
    )

    assert rig.tables.recipients["alice"].preferences == {}
