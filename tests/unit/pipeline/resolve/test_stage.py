"""Resolve finds every recipient of an event once, and enters also those who are not notified."""

import pytest

from service.model.ids import address_pseudonym
from service.model.recipient import Choice, Contact, Recipient
from service.ports import AccountPage, LookupKeys, Rows, Unavailable
from tests.fakes.tables import FakeTables
from tests.support.fake_pipeline import FakePipeline

OVERBID = {"id": "1", "type": "overbid", "recipients": ["alice", "bob"], "data": {"lot_id": "7"}}


@pytest.fixture
async def pipeline() -> FakePipeline:
    made = FakePipeline()
    await made.seed()
    return made


async def test_users_and_admins_are_notified_on_both_channels(pipeline: FakePipeline) -> None:
    """overbid is for its users and for all admins."""
    await pipeline.ingest(OVERBID)

    assert set(await pipeline.states("1")) == {
        (recipient, channel) for recipient in ("alice", "bob", "carol") for channel in ("email", "inbox")
    }
    assert len(pipeline.records("dispatch.inbox")) == 3
    assert len(pipeline.email_records()) == 3


async def test_a_person_found_twice_is_notified_once(pipeline: FakePipeline) -> None:
    """carol is named, twice, and is an admin."""
    await pipeline.ingest(OVERBID | {"recipients": ["carol", "carol"]})

    assert set(await pipeline.states("1")) == {("carol", "email"), ("carol", "inbox")}


async def test_an_address_found_by_two_rules_gets_one_message(pipeline: FakePipeline) -> None:
    """alice is named, and her address is in the group's list."""
    await pipeline.ingest({"id": "1", "type": "mixed", "recipients": ["alice"], "external_id": "12345"})

    states = await pipeline.states("1")
    assert states["alice", "email"] == ("queued", "")
    assert states[address_pseudonym("alice@example.com"), "email"] == ("skipped", "duplicate_address")
    assert states[address_pseudonym("x@example.com"), "email"] == ("queued", "")


async def test_two_ids_with_one_mailbox_get_one_message(pipeline: FakePipeline) -> None:
    """The mailbox counts, however its address is spelt; the inboxes are those of the ids."""
    twin = Recipient(id="twin", address="Alice@EXAMPLE.com", version=1)
    await pipeline.tables.put_recipients([twin])
    await pipeline.ingest({"id": "1", "type": "own_news", "recipients": ["alice", "twin"]})

    states = await pipeline.states("1")
    assert states["alice", "email"] == ("queued", "")
    assert states["twin", "email"] == ("skipped", "duplicate_address")


async def test_a_preference_of_one_id_is_not_one_of_another(pipeline: FakePipeline) -> None:
    """alice has switched the type off; her second id with the same mailbox has not, and gets the message."""
    choices = {"own_news:email": Choice(on=False)}
    await pipeline.tables.put_recipients([
        Recipient(id="alice", address="alice@example.com", preferences=choices, version=2),
        Recipient(id="twin", address="alice@example.com", version=1),
    ])  # fmt: skip
    await pipeline.ingest({"id": "1", "type": "own_news", "recipients": ["alice", "twin"]})

    states = await pipeline.states("1")
    assert states["alice", "email"] == ("skipped", "preference_off")
    assert states["twin", "email"] == ("queued", "")


async def test_a_group_list_does_not_undo_what_a_recipient_has_decided(pipeline: FakePipeline) -> None:
    """alice has switched the type off, or caused the event: her address in the group's list changes nothing."""
    event = {"type": "mixed", "recipients": ["alice"], "external_id": "12345"}
    await pipeline.ingest(event | {"id": "1", "actor": "alice"})
    choices = {"mixed:email": Choice(on=False)}
    row = Recipient(id="alice", address="ALICE@example.com", preferences=choices, version=2)
    await pipeline.tables.put_recipients([row])
    await pipeline.ingest(event | {"id": "2"})

    listed = address_pseudonym("alice@example.com")
    assert (await pipeline.states("1"))[listed, "email"] == ("skipped", "duplicate_address")
    assert (await pipeline.states("2"))[listed, "email"] == ("skipped", "duplicate_address")


async def test_the_actor_is_not_notified(pipeline: FakePipeline) -> None:
    """The actor is skipped unless the type says otherwise."""
    await pipeline.ingest(OVERBID | {"actor": "alice"})
    await pipeline.ingest({"id": "2", "type": "own_news", "recipients": ["alice"], "actor": "alice"})

    assert (await pipeline.states("1"))["alice", "email"] == ("skipped", "own_action")
    assert (await pipeline.states("2"))["alice", "email"] == ("queued", "")


async def test_the_sender_of_a_message_is_its_actor(pipeline: FakePipeline) -> None:
    """message_from_buyer names its actor in sender_id."""
    data = {"sender_id": "carol", "receiver_id": "alice"}
    await pipeline.ingest({"id": "1", "type": "message_from_buyer", "data": data})

    assert (await pipeline.states("1"))["carol", "inbox"] == ("skipped", "own_action")
    assert (await pipeline.states("1"))["alice", "inbox"] == ("queued", "")


async def test_a_group_is_its_list_of_addresses(pipeline: FakePipeline) -> None:
    """The type's own list counts; an unknown group and an empty list send nothing, and the event is known."""
    await pipeline.ingest(
        {"id": "1", "type": "invoice_available", "external_id": "12345"},
        {"id": "2", "type": "invoice_available", "external_id": "unknown"},
    )

    assert list((await pipeline.states("1")).values()) == [("queued", "")]
    assert await pipeline.states("2") == {}
    from service.model.ids import event_key

    assert await pipeline.ledger.head(event_key("/t", "2"))


async def test_an_account_is_its_contacts_by_their_preferences(pipeline: FakePipeline) -> None:
    """Each contact is filtered by type and channel."""
    contact = pipeline.tables.contacts["acme"]["c2"]
    off = {"payment_failed:email": Choice(on=False, since_ms=5)}
    await pipeline.tables.put_contacts([contact.model_copy(update={"preferences": off, "version": 2})])
    await pipeline.ingest({"id": "1", "type": "payment_failed", "account": "acme"})

    assert await pipeline.states("1") == {
        ("c1", "email"): ("queued", ""),
        ("c2", "email"): ("skipped", "preference_off"),
    }


async def test_unknown_ids_and_missing_addresses_are_entered(pipeline: FakePipeline) -> None:
    """An empty row is no reason to guess."""
    await pipeline.ingest(OVERBID | {"recipients": ["ghost", "mute"]})

    states = await pipeline.states("1")
    assert states["ghost", "email"] == states["ghost", "inbox"] == ("skipped", "no_such_recipient")
    assert states["mute", "email"] == ("skipped", "no_address")
    assert states["mute", "inbox"] == ("queued", "")


async def test_an_event_past_its_time_expires(pipeline: FakePipeline) -> None:
    """expires counts before the type's time to live."""
    await pipeline.ingest(OVERBID | {"expires": "2020-01-01T00:00:00Z"})

    assert set((await pipeline.states("1")).values()) == {("expired", "past_deadline")}
    assert not pipeline.email_records()


async def test_repeats_have_no_second_effect(pipeline: FakePipeline) -> None:
    """The same event in one batch and in later ones meets the same rows."""
    await pipeline.ingest(OVERBID, OVERBID, OVERBID)
    assert len(pipeline.email_records()) == 3
    await pipeline.deliver()
    await pipeline.ingest(OVERBID)

    assert len(pipeline.email_records()) == 3
    assert set(pipeline.transport.copies.values()) == {1}


async def test_what_was_entered_but_not_dispatched_is_dispatched_again(pipeline: FakePipeline) -> None:
    """A worker that died between ledger and Kafka loses nothing."""
    await pipeline.ingest(OVERBID)
    pipeline.topics.clear()
    await pipeline.ingest(OVERBID)

    assert len(pipeline.email_records()) == 3


async def test_bad_events_are_dead_letters_and_good_ones_continue(pipeline: FakePipeline) -> None:
    """One bad record stops nothing."""
    await pipeline.ingest(b"{", OVERBID, b'{"a":NaN}')

    assert pipeline.reasons() == ["invalid_json", "not_a_number"]
    assert len(await pipeline.states("1")) == 6


async def test_a_dead_letter_keeps_the_original_and_says_where_it_was(pipeline: FakePipeline) -> None:
    """Value, key, headers, topic, partition and offset."""
    from service.model.record import Record

    record = Record("up", 3, 17, 99, b"key", b"{", [("h", b"v"), ("tocsin-reason", b"forged")])
    await pipeline.run(pipeline.resolve, [record])

    message = pipeline.topics["dispatch.dead-letter"][0]
    assert (message.key, message.value) == (b"key", b"{")
    headers = [(name, value) for name, value in message.headers]
    assert ("h", b"v") in headers
    assert [v for n, v in headers if n == "tocsin-reason"] == [b"invalid_json"]
    assert {n: v for n, v in headers if n in ("tocsin-topic", "tocsin-partition", "tocsin-offset")} == {
        "tocsin-topic": b"up", "tocsin-partition": b"3", "tocsin-offset": b"17",
    }  # fmt: skip


async def test_incomplete_tables_stop_everything(pipeline: FakePipeline) -> None:
    """An empty table means not ready, never no preferences."""
    pipeline.tables.reason = "empty"
    with pytest.raises(Unavailable):
        await pipeline.ingest(OVERBID)

    assert pipeline.topics == {}


@pytest.mark.exhaustive
async def test_a_large_audience_is_dispatched_in_bounded_chunks(pipeline: FakePipeline) -> None:
    """One event for 3,000 holders of a role: never more than about a thousand messages at once."""
    rows = [
        Recipient(id=f"a{n:04}", address=f"a{n}@example.com", roles=("admin",), version=1)
        for n in range(3000)
    ]
    await pipeline.tables.put_recipients(rows)
    done = await pipeline.ingest({"id": "1", "type": "callback_requested"})

    assert len(await pipeline.states("1")) == 2 * 3001
    assert max(len(d.messages) for d in done) <= 4 * 1001
    assert [len(d.records) for d in done][:-1] == [0] * (len(done) - 1)
    assert len(pipeline.records("dispatch.inbox")) == len(pipeline.email_records()) == 3001


@pytest.mark.parametrize("audience", ["role", "users"])
async def test_a_large_event_for_many_is_dispatched_in_bounded_bytes(
    pipeline: FakePipeline, audience: str
) -> None:
    """An event of 200 KB for 300 recipients: no more than a few megabytes of messages at once, and none is missing."""
    ids = [f"a{n:04}" for n in range(300)]
    rows = [Recipient(id=id_, address=f"{id_}@example.com", roles=("admin",), version=1) for id_ in ids]
    await pipeline.tables.put_recipients(rows)
    event: dict[str, object] = {"id": "1", "type": "callback_requested"}
    if audience == "users":
        event |= {"type": "winner", "recipients": ids}
    done = await pipeline.ingest(event | {"data": {"lot_id": "7", "note": "x" * 200_000}})
    assert not pipeline.reasons()

    sizes = [sum(len(message.value or b"") for message in one.messages) for one in done]
    assert max(sizes) < 16 * 1024 * 1024
    assert len(pipeline.records("dispatch.inbox")) >= 300


async def test_a_new_event_supersedes_the_pending_one(pipeline: FakePipeline) -> None:
    """Two overbids on a lot: only the newest is mailed; the inbox has both."""
    await pipeline.ingest(
        OVERBID | {"time": "2023-01-01T00:00:00Z"}, OVERBID | {"id": "2", "time": "2023-01-01T00:00:01Z"}
    )
    await pipeline.deliver()

    assert (await pipeline.states("1"))["alice", "email"] == ("superseded", "newer_event")
    assert (await pipeline.states("2"))["alice", "email"] == ("sent", "")
    assert (await pipeline.states("1"))["alice", "inbox"] == ("delivered", "")


async def test_an_outcome_that_was_lost_is_emitted_again(pipeline: FakePipeline) -> None:
    """A worker died after closing a delivery; when its record is read again, the decision would be another."""
    bob = pipeline.tables.recipients["bob"]
    off = {"overbid:email": Choice(on=False, since_ms=5)}
    await pipeline.tables.put_recipients([bob.model_copy(update={"preferences": off, "version": 2})])
    await pipeline.ingest(OVERBID)
    pipeline.topics.clear()
    await pipeline.tables.put_recipients([bob.model_copy(update={"version": 3})])
    await pipeline.ingest(OVERBID)

    outcomes = [o for o in pipeline.outcomes() if (o.recipient, o.channel) == ("bob", "email")]
    assert [(o.state, o.reason) for o in outcomes] == [("skipped", "preference_off")]
    assert (await pipeline.states("1"))["bob", "email"] == ("skipped", "preference_off")


class MeasuredTables(FakeTables):
    """Tables that record the largest number of rows that one read has returned."""

    largest = 0

    async def lookup(self, keys: LookupKeys) -> Rows:
        rows = await super().lookup(keys)
        pages = sum(len(page.contacts) for page in rows.account_pages.values())
        self.largest = max(self.largest, len(keys.recipients), pages)
        return rows

    async def account(self, account: str, cursor: str, limit: int = 1000) -> AccountPage:
        page = await super().account(account, cursor, limit)
        self.largest = max(self.largest, len(page.contacts))
        return page


@pytest.fixture
async def measured() -> tuple[FakePipeline, MeasuredTables]:
    pipeline = FakePipeline()
    pipeline.tables = tables = MeasuredTables()
    pipeline.build("worker-1")
    await pipeline.seed()
    return pipeline, tables


async def test_the_largest_audience_is_read_by_pages(measured: tuple[FakePipeline, MeasuredTables]) -> None:
    """An event names 20,000 recipients; each is found once, and some thousand rows are held at a time."""
    pipeline, tables = measured
    ids = [f"r{n}" for n in range(20_000)]
    await tables.put_recipients([Recipient(id=i, version=1) for i in ids[::1000]])

    await pipeline.ingest({"id": "1", "type": "own_news", "recipients": ids})

    states = await pipeline.states("1")
    assert {recipient for recipient, _ in states} == set(ids)
    assert {states[i, "inbox"][0] for i in ids[::1000]} == {"queued"}
    assert states["r1", "inbox"] == ("skipped", "no_such_recipient")
    assert tables.largest == 1000


async def test_a_large_account_is_read_by_pages(measured: tuple[FakePipeline, MeasuredTables]) -> None:
    """Each contact of an account with 2,500 of them is notified once."""
    pipeline, tables = measured
    contacts = [Contact(account="big", uuid=f"u{n}", email=f"{n}@x.test", version=1) for n in range(2_500)]
    await tables.put_contacts(contacts)

    await pipeline.ingest({"id": "1", "type": "payment_failed", "account": "big"})

    states = await pipeline.states("1")
    assert {recipient for recipient, _ in states} == {contact.uuid for contact in contacts}
    assert tables.largest == 1000


async def test_many_audiences_in_a_batch_are_looked_up_in_parts(
    measured: tuple[FakePipeline, MeasuredTables],
) -> None:
    """A batch of large events does not read all of their rows at once."""
    pipeline, tables = measured
    events = [
        {"id": str(n), "type": "own_news", "recipients": [f"r{n}-{i}" for i in range(900)]} for n in range(20)
    ]
    await pipeline.ingest(*events)

    assert tables.largest <= 6_000
    for n in range(20):
        assert len({recipient for recipient, _ in await pipeline.states(str(n))}) == 900
