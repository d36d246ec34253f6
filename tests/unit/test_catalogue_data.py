"""The catalogue that comes with Tocsin: as documented, and sensible where the documents are silent."""

import json
import re
from functools import cache
from pathlib import Path

import pytest

from service.adapters.catalogue_file import load_catalogue
from service.model.catalogue import AudienceRule, Catalogue, Lane
from service.model.channels import Channel
from tests.support.paths import ROOT

SEEDS = ROOT.parent / "shared" / "seeds"
HOUR = 3600


@cache
def catalogue() -> Catalogue:
    return load_catalogue(ROOT / "templates")


NAMES = tuple(row.name for row in catalogue())


# The documents


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> str:
    """A document's text; the test is skipped where the documents are not at hand."""
    file: Path = SEEDS / request.param
    if not file.is_file():
        pytest.skip(
            f"the document {file.name} is not in {SEEDS}; the catalogue's own counts are still checked"
        )
    return file.read_text("utf-8")


def test_all_63_types_are_there() -> None:
    """11 group types, 23 account types (20 by email, 3 by api), 29 auction types numbered 1 to 29."""
    found = catalogue()

    assert len(found) == 63
    assert {d: len(found.domain(d)) for d in ("group", "account", "auction")} == {
        "group": 11,
        "account": 23,
        "auction": 29,
    }
    assert [row.number for row in found.domain("auction")] == list(range(1, 30))
    assert [row.channels for row in found.domain("account")].count((Channel.email,)) == 20
    assert {row.name for row in found.domain("account") if row.channels == (Channel.inbox,)} == {
        "payment_withheld",
        "payment_approved",
        "payment_cancelled",
    }
    assert not any(row.mandatory for row in found)


@pytest.mark.parametrize("name", NAMES)
def test_every_type_has_a_title_in_each_of_its_languages(name: str) -> None:
    """Where its mail is German, the page that ends it is too; no two types of a domain look the same there."""
    row = catalogue()[name]
    languages = {file.stem for file in (ROOT / "templates" / name).glob("*.j2")}

    assert languages == {"en", *row.titles}
    for locale in row.titles:
        same = [
            other.name
            for other in catalogue().domain(row.domain)
            if other.title_in(locale) == row.titles[locale]
        ]
        assert same == [name]
    assert row.title_in("de-AT") == row.title_in("de") == row.titles["de"] != row.title_in("fr") == row.title


@pytest.mark.parametrize("seed", ["auction_inbox.txt"], indirect=True)
def test_auction_types_are_as_documented(seed: str) -> None:
    """Number, name, description, fields of data and roles agree with the document's table, row by row."""
    table = seed.partition("meta Roles")[2].partition("Get unread")[0].strip().splitlines()
    pattern = re.compile(
        r"(?P<number>\d+) (?P<name>\w+) (?P<description>.+?)"
        r"(?: (?P<meta>empty|\w+ ?\(string\).*?))? (?P<roles>(?:user|admin)(?:, (?:user|admin))*)"
    )
    documented = []
    for line in table:
        found = pattern.fullmatch(line)
        assert found, line
        fields = re.findall(r"(\w+) ?\(string\)", found["meta"] or "")
        roles = found["roles"].split(", ")
        documented.append((int(found["number"]), found["name"], found["description"], fields, roles))

    declared = [
        (r.number, r.name, r.description, [n for n, f in r.meta.items() if f.required], list(r.roles))
        for r in catalogue().domain("auction")
    ]

    assert declared == documented
    assert {f.type for r in catalogue().domain("auction") for f in r.meta.values()} == {"string"}


@pytest.mark.parametrize("seed", ["auction_inbox.txt"], indirect=True)
def test_samples_repeat_the_documents_examples(seed: str) -> None:
    """Where the document shows an entry, the type's sample has the same meta."""
    body = seed.partition("Get unread notifications\n")[2]
    shown = json.loads(body[body.index("{\n") : body.index("401 Unauthorized")].rpartition("}")[0] + "}")[
        "data"
    ]

    assert [entry["attributes"]["type"] for entry in shown] == [18, 8]
    for entry in shown:
        row = catalogue()[entry["attributes"]["type_str"]]
        assert (row.number, row.sample["data"]) == (entry["attributes"]["type"], entry["attributes"]["meta"])


@pytest.mark.parametrize("seed", ["contacts_and_preferences.txt"], indirect=True)
def test_account_types_are_as_documented(seed: str) -> None:
    """Names, order and medium agree with the listing of preferences; medium `api` is the inbox."""
    listing = seed.partition('"total_count": 23')[2].partition("Updating")[0]
    documented = re.findall(r'"medium": "(\w+)",\s+"type": "(\w+)"', listing)
    medium = {Channel.email: "email", Channel.inbox: "api"}

    declared = [(medium[channel], r.name) for r in catalogue().domain("account") for channel in r.channels]

    assert declared == documented


@pytest.mark.parametrize("seed", ["group_notifications.txt"], indirect=True)
def test_group_types_are_as_documented(seed: str) -> None:
    """Names and order agree with the document's list; groups hear by email."""
    listed = seed.partition("List of possible notifications: ")[2].partition("\n")[0]

    assert [r.name for r in catalogue().domain("group")] == re.findall(r'"(\w+)"', listed)
    assert {r.channels for r in catalogue().domain("group")} == {(Channel.email,)}


# What the documents leave open


def test_audiences_follow_the_domain() -> None:
    """Groups and accounts hear as such; message types find their reader in the data and spare the writer."""
    found = catalogue()
    kinds = {row.name: [rule.kind for rule in row.audience] for row in found}

    assert {tuple(kinds[r.name]) for r in found.domain("group")} == {(AudienceRule.group,)}
    assert {tuple(kinds[r.name]) for r in found.domain("account")} == {(AudienceRule.account,)}
    assert {rule.role for r in found for rule in r.audience if rule.kind is AudienceRule.role} == {"admin"}
    reading = {r.name: (r.audience[0].field, r.actor_field) for r in found if r.actor_field}
    assert reading == {
        "message_from_buyer": ("receiver_id", "sender_id"),
        "message_from_seller": ("receiver_id", "sender_id"),
    }


def test_undocumented_data_is_never_required() -> None:
    """An upstream that sends no data for a type without documented data is right."""
    found = catalogue()

    for row in (*found.domain("group"), *found.domain("account")):
        assert found.meta_errors(row, {}) is None
    assert found.meta_errors(found["direct_sale_rejected"], {}) is None


def test_times_to_live_follow_what_the_text_says() -> None:
    """What says "3 hours" is stale after 3 hours, and nothing is worth sending after 4 days."""
    found = catalogue()

    assert {row.ttl for row in found if row.name.endswith("_3h")} == {3 * HOUR}
    assert found["reminder_unpaid_invoice"].ttl == 12 * HOUR
    assert all(3 * HOUR <= row.ttl <= 96 * HOUR for row in found)
    assert {row.name: row.supersede for row in found if row.supersede} == {"overbid": "{lot_id}"}


def test_lanes_are_used_as_meant() -> None:
    """What someone waits for goes first, what nobody waits for goes last."""
    lanes = {row.name: row.lane for row in catalogue()}

    urgent = ("reset_password", "new_account", "payment_failed", "overbid", "winner", "callback_requested")
    assert {lanes[name] for name in urgent} == {Lane.high}
    assert {lanes[row.name] for row in catalogue() if row.name.endswith("_3h")} == {Lane.high}
    assert [name for name, lane in lanes.items() if lane is Lane.bulk] == ["random_upgrade"]


@pytest.mark.parametrize("name", NAMES)
def test_a_sample_is_an_event_that_could_be_published(name: str) -> None:
    """It names its audience, fits the declared data and shows every declared field; it survives JSON."""
    row = catalogue()[name]
    sample = row.sample

    assert json.loads(json.dumps(sample)) == sample
    assert set(sample) <= {"recipients", "external_id", "project_id", "account", "data"}
    assert set(sample["data"]) == set(row.meta)
    assert catalogue().meta_errors(row, sample["data"]) is None
    assert ("external_id" in sample) == row.needs(AudienceRule.group)
    assert ("account" in sample) == row.needs(AudienceRule.account)
    named = "recipients" in sample or any(sample["data"].get(a.field) for a in row.audience)
    assert named == row.needs(AudienceRule.users)


@pytest.mark.parametrize("value", ["2026-10-31", "2026-10-31T12:00:00", "soon", 1793448000, True])
def test_a_time_needs_its_zone(value: object) -> None:
    """A date and time is text with its zone (RFC 3339): anything else would be shown as another moment."""
    row = catalogue()["invoice_available"]

    assert catalogue().meta_errors(row, {"due_at": "2026-10-31T12:00:00+02:00"}) is None
    assert (catalogue().meta_errors(row, {"due_at": value}) or "").startswith("due_at: ")
