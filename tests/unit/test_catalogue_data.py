"""The catalogue that comes with Tocsin: as documented, and sensible in the details that the documents leave open."""

import json
import re
from functools import cache
from pathlib import Path

import pytest

from service.adapters.catalogue_file import load_catalogue
from service.model.catalogue import AudienceRule, Catalogue, Lane, MetaField
from service.model.channels import Channel
from tests.support.paths import ROOT

SEEDS = ROOT.parent / "shared" / "seeds"
HOUR_S = 3600
# Fields of ours that are absent from a sample, because the document shows the whole event.
NOT_DOCUMENTED = {"message_from_seller": {"sender_name"}}


@cache
def catalogue() -> Catalogue:
    return load_catalogue(ROOT / "templates")


NAMES = tuple(type_.name for type_ in catalogue())


# The documents


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> str:
    """Return the text of a document; skip the test where the documents are missing."""
    file: Path = SEEDS / request.param
    if not file.is_file():
        pytest.skip(
            f"the document {file.name} is not in {SEEDS}; the catalogue's own counts are still checked"
        )
    return file.read_text("utf-8")


def test_all_63_types_are_there() -> None:
    """11 group types, 23 account types (20 by email, 3 by api), 29 auction types numbered 1 to 29."""
    types = catalogue()

    assert len(types) == 63
    assert {d: len(types.domain(d)) for d in ("group", "account", "auction")} == {
        "group": 11,
        "account": 23,
        "auction": 29,
    }
    assert [type_.number for type_ in types.domain("auction")] == list(range(1, 30))
    assert [type_.channels for type_ in types.domain("account")].count((Channel.email,)) == 20
    assert {type_.name for type_ in types.domain("account") if type_.channels == (Channel.inbox,)} == {
        "payment_withheld",
        "payment_approved",
        "payment_cancelled",
    }
    assert not any(type_.mandatory for type_ in types)


@pytest.mark.parametrize("name", NAMES)
def test_every_type_has_a_title_in_each_of_its_languages(name: str) -> None:
    """A type with a German email has a German title for the unsubscribe page; no two in a domain share a title."""
    type_ = catalogue()[name]
    languages = {file.stem for file in (ROOT / "templates" / name).glob("*.j2")}

    assert languages == {"en", *type_.titles}
    for locale in type_.titles:
        same = [
            other.name
            for other in catalogue().domain(type_.domain)
            if other.title_in(locale) == type_.titles[locale]
        ]
        assert same == [name]
    assert type_.title_in("de-AT") == type_.title_in("de") == type_.titles["de"]
    assert type_.titles["de"] != type_.title_in("fr") == type_.title


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
        match = pattern.fullmatch(line)
        assert match, line
        fields = re.findall(r"(\w+) ?\(string\)", match["meta"] or "")
        roles = match["roles"].split(", ")
        documented.append((int(match["number"]), match["name"], match["description"], fields, roles))

    declared = [
        (r.number, r.name, r.description, [n for n, f in r.meta.items() if f.required], list(r.roles))
        for r in catalogue().domain("auction")
    ]

    assert declared == documented
    assert {f.type for r in catalogue().domain("auction") for f in r.meta.values()} == {"string"}


@pytest.mark.parametrize("seed", ["auction_inbox.txt"], indirect=True)
def test_samples_repeat_the_documented_examples(seed: str) -> None:
    """A type whose entry the document shows has a sample with the same meta."""
    body = seed.partition("Get unread notifications\n")[2]
    shown = json.loads(body[body.index("{\n") : body.index("401 Unauthorized")].rpartition("}")[0] + "}")[
        "data"
    ]

    assert [entry["attributes"]["type"] for entry in shown] == [18, 8]
    for entry in shown:
        type_ = catalogue()[entry["attributes"]["type_str"]]
        documented = (entry["attributes"]["type"], entry["attributes"]["meta"])
        assert (type_.number, type_.sample["data"]) == documented


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
    """Names and order agree with the document's list; groups receive email only."""
    listed = seed.partition("List of possible notifications: ")[2].partition("\n")[0]

    assert [r.name for r in catalogue().domain("group")] == re.findall(r'"(\w+)"', listed)
    assert {r.channels for r in catalogue().domain("group")} == {(Channel.email,)}


# Details that the documents leave open


def test_audiences_follow_the_domain() -> None:
    """Group and account types have that audience; message types name their reader in the data and skip the writer."""
    types = catalogue()
    kinds = {type_.name: [rule.kind for rule in type_.audience] for type_ in types}

    assert {tuple(kinds[r.name]) for r in types.domain("group")} == {(AudienceRule.group,)}
    assert {tuple(kinds[r.name]) for r in types.domain("account")} == {(AudienceRule.account,)}
    assert {rule.role for r in types for rule in r.audience if rule.kind is AudienceRule.role} == {"admin"}
    reading = {r.name: (r.audience[0].field, r.actor_field) for r in types if r.actor_field}
    assert reading == {
        "message_from_buyer": ("receiver_id", "sender_id"),
        "message_from_seller": ("receiver_id", "sender_id"),
    }


def test_undocumented_data_is_never_required() -> None:
    """An upstream may omit the data of a type without documented data."""
    types = catalogue()

    for type_ in (*types.domain("group"), *types.domain("account")):
        assert types.meta_errors(type_, {}) is None
    assert types.meta_errors(types["direct_sale_rejected"], {}) is None


def test_times_to_live_follow_the_text() -> None:
    """A notice of "3 hours" is stale after 3 hours, and no notification is worth sending after 4 days."""
    types = catalogue()

    assert {type_.ttl_s for type_ in types if type_.name.endswith("_3h")} == {3 * HOUR_S}
    assert types["reminder_unpaid_invoice"].ttl_s == 12 * HOUR_S
    assert all(3 * HOUR_S <= type_.ttl_s <= 96 * HOUR_S for type_ in types)
    assert {type_.name: type_.supersede for type_ in types if type_.supersede} == {"overbid": "{lot_id}"}


def test_lanes_follow_urgency() -> None:
    """A type that its recipient waits for is in the high lane, a promotion in the bulk lane."""
    lanes = {type_.name: type_.lane for type_ in catalogue()}

    urgent = ("reset_password", "new_account", "payment_failed", "overbid", "winner", "callback_requested")
    assert {lanes[name] for name in urgent} == {Lane.high}
    assert {lanes[type_.name] for type_ in catalogue() if type_.name.endswith("_3h")} == {Lane.high}
    assert [name for name, lane in lanes.items() if lane is Lane.bulk] == ["random_upgrade"]


def test_mail_that_is_of_use_later_can_be_in_digests() -> None:
    """Of one group a domain; not what concerns access, money or data, nor what is about the next hours."""
    soon = {name for name in NAMES if re.search(r"_3h$|_very_soon$", name)}
    expected = {
        type_.name
        for type_ in catalogue()
        if Channel.email in type_.channels and not (type_.recommend_mandatory or type_.security)
    } - soon

    assert {type_.name for type_ in catalogue() if type_.digest} == expected
    assert all(not type_.digest or type_.digest_group == type_.domain for type_ in catalogue())
    assert len(soon) == 7


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("overbid", "9"),
        ("winner", "9"),
        ("message_from_buyer", "9 bob"),
        ("order_update", "7"),
        ("subscription_expire", "disk"),
        ("deposit_pending", ""),
    ],
)
def test_items_about_one_thing_are_one_line_of_a_digest(name: str, key: str) -> None:
    """All bids on one lot, all updates of one order; what names no such thing has a line of its own."""
    data = {"lot_id": "9", "sender_id": "bob", "order_id": "7", "subscription": "disk"}
    assert catalogue()[name].digest_key(data) == key


def test_types_to_make_mandatory_are_those_that_cost_access_money_or_data() -> None:
    """Mail about access to an account is among them; the operator decides, so none is mandatory as shipped."""
    types = catalogue()

    assert {type_.name for type_ in types if type_.security} == {"reset_password", "new_account"}
    assert {type_.name for type_ in types if type_.recommend_mandatory} == {
        "reset_password",
        "new_account",
        "payment_failed",
        "payment_withheld",
        "subscription_renewal_failure",
        "stop_servers",
        "drives_delete_soon",
        "drives_delete",
        "invoice_available",
        "invoice_attached",
        "order_terminate",
    }


def test_the_documented_line_makes_them_mandatory() -> None:
    """docs/how-to/unsubscribes-and-bounces.md has the setting to copy; it names exactly these types."""
    text = (ROOT / "docs" / "how-to" / "unsubscribes-and-bounces.md").read_text()
    (line,) = re.findall("^TOCSIN_MANDATORY='(.*)'$", text, re.MULTILINE)

    assert set(json.loads(line)) == {type_.name for type_ in catalogue() if type_.recommend_mandatory}


def test_ids_of_persons_are_not_for_people() -> None:
    """Texts may show the number of a lot or an order, not that of a person, unless a field says otherwise."""
    hidden = {(type_.name, field) for type_ in catalogue() for field in type_.meta if not type_.shows(field)}

    assert {field for _, field in hidden} == {"sender_id", "receiver_id", "account_id"}
    assert len(hidden) == 7
    buyer = catalogue()["message_from_buyer"]
    shown = buyer.model_copy(update={"meta": {**buyer.meta, "sender_id": MetaField(shown=True)}})
    assert shown.shows("sender_id")
    assert not shown.shows("receiver_id")


@pytest.mark.parametrize("name", NAMES)
def test_a_sample_is_an_event_that_could_be_published(name: str) -> None:
    """A sample names its audience, fits the declared data, has every declared field and survives JSON."""
    type_ = catalogue()[name]
    sample = type_.sample

    assert json.loads(json.dumps(sample)) == sample
    assert set(sample) <= {"recipients", "external_id", "project_id", "account", "data"}
    assert set(type_.meta) - set(sample["data"]) == NOT_DOCUMENTED.get(name, set())
    assert set(sample["data"]) <= set(type_.meta)
    assert catalogue().meta_errors(type_, sample["data"]) is None
    assert ("external_id" in sample) == type_.needs(AudienceRule.group)
    assert ("account" in sample) == type_.needs(AudienceRule.account)
    named = "recipients" in sample or any(sample["data"].get(a.field) for a in type_.audience)
    assert named == type_.needs(AudienceRule.users)


@pytest.mark.parametrize("value", ["2026-10-31", "2026-10-31T12:00:00", "soon", 1793448000, True])
def test_a_time_needs_its_zone(value: object) -> None:
    """A date and time is text with its zone (RFC 3339): any other form would be shown as another time."""
    type_ = catalogue()["invoice_available"]

    assert catalogue().meta_errors(type_, {"due_at": "2026-10-31T12:00:00+02:00"}) is None
    assert (catalogue().meta_errors(type_, {"due_at": value}) or "").startswith("due_at: ")
