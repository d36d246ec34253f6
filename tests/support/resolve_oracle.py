"""An oracle: random tables and events, and the state of every delivery, computed in the slow and plain way.

It shares no code with the pipeline but ids and the catalogue's types.
"""

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from service.model.catalogue import Catalogue, NotificationType
from service.model.ids import address_pseudonym, event_key, is_pseudonym
from service.model.recipient import Choice, Contact, Group, Recipient

SOURCE = "/random"
_START = datetime(2023, 1, 1, tzinfo=UTC)
Answer = tuple[str, str]
"""State and reason; the state is "nothing" for a recipient without a delivery."""


@dataclass
class Scenario:
    """Rows of all tables, events in the order of publication, and the ids of the withdrawn ones."""

    recipients: list[Recipient] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)
    contacts: list[Contact] = field(default_factory=list)
    suppressed: set[str] = field(default_factory=set)
    events: list[dict[str, Any]] = field(default_factory=list)
    withdrawn: set[str] = field(default_factory=set)

    @property
    def recipient_ids(self) -> list[str]:
        """Return every id that `explain` may be asked about; two of them are in no table."""
        listed = {a for g in self.groups for addresses in g.addresses.values() for a in addresses}
        return [
            *(r.id for r in self.recipients),
            *(c.uuid for c in self.contacts),
            *sorted(address_pseudonym(a) for a in listed),
            "ghost",
            "unlisted",
        ]


def make_scenario(catalogue: Catalogue, seed: int, events: int) -> Scenario:
    """Return a random scenario, always the same for a seed."""
    rng = random.Random(seed)
    keys = [f"{type_.name}:{channel}" for type_ in catalogue for channel in type_.channels]
    scenario = Scenario()
    addresses = [f"p{n}@example.com" for n in range(8)]

    def choices() -> dict[str, Choice]:
        picked = rng.sample(keys, k=min(len(keys), rng.randrange(6)))
        return {key: Choice(on=rng.random() < 0.3, since_ms=5) for key in picked}

    for n in range(10):
        roles = tuple(role for role in ("admin", "user") if rng.random() < 0.3)
        address = rng.choice([*addresses, "", "P1@Example.com"])
        scenario.recipients.append(
            Recipient(id=f"r{n}", address=address, roles=roles, preferences=choices(), version=1)
        )
    group_types = [type_.name for type_ in catalogue if any(a.kind == "group" for a in type_.audience)]
    for external_id in ("g1", "g2"):
        lists = {name: tuple(rng.sample(addresses, k=rng.randrange(4))) for name in group_types}
        scenario.groups.append(Group(external_id=external_id, addresses=lists, version=1))
    for n in range(4):
        account = f"a{n % 2}"
        scenario.contacts.append(
            Contact(
                uuid=f"c{n}", account=account, email=rng.choice(addresses), preferences=choices(), version=1
            )
        )
    scenario.suppressed = {rng.choice(addresses)}
    scenario.events = [_event(rng, n, rng.choice(list(catalogue))) for n in range(events)]
    scenario.withdrawn = {e["id"] for e in scenario.events if rng.random() < 0.1}
    return scenario


def _event(rng: random.Random, n: int, type_: NotificationType) -> dict[str, Any]:
    data = dict(type_.sample.get("data", {})) or {
        name: "v" for name, meta in type_.meta.items() if meta.type == "string"
    }
    if "lot_id" in data:
        data["lot_id"] = rng.choice("12")
    event: dict[str, Any] = {
        "id": f"n{n}", "source": SOURCE, "type": type_.name, "data": data,
        "time": (_START + timedelta(seconds=rng.randrange(100))).isoformat(),
        "recipients": rng.sample([*(f"r{i}" for i in range(10)), "ghost"], k=rng.randrange(5)),
        "external_id": rng.choice(["g1", "g2", "g3"]), "account": rng.choice(["a0", "a1", "a2"]),
    }  # fmt: skip
    if rng.random() < 0.3:
        event["actor"] = f"r{rng.randrange(10)}"
    if rng.random() < 0.1:
        event["expires"] = "2020-01-01T00:00:00Z"
    return event


def expected_answers(scenario: Scenario, catalogue: Catalogue) -> dict[tuple[str, str, str], Answer]:
    """Return (event id, recipient, channel) → answer, for every recipient and channel."""
    audiences = {
        event["id"]: _audience(event, catalogue[event["type"]], scenario) for event in scenario.events
    }
    newest: dict[tuple[str, str, str], tuple[str, str]] = {}
    for event in scenario.events:
        if catalogue[event["type"]].supersede:
            for recipient in audiences[event["id"]]:
                key = (event["type"], event["data"]["lot_id"], recipient)
                at = (event["time"], event_key(SOURCE, event["id"]))
                newest[key] = max(newest.get(key, at), at)
    answers = {}
    for event in scenario.events:
        type_ = catalogue[event["type"]]
        audience = audiences[event["id"]]
        decisions = _decisions(event, type_, audience)
        for recipient in scenario.recipient_ids:
            for channel in ("email", "inbox"):
                answer = decisions.get((recipient, channel))
                if answer is None:
                    answer = ("nothing", _why_nothing(recipient, channel, event, type_, scenario, audience))
                elif answer == ("on", ""):
                    answer = _end(recipient, channel, event, type_, scenario, audience[recipient], newest)
                answers[event["id"], recipient, channel] = answer
    return answers


def _audience(
    event: dict[str, Any], type_: NotificationType, scenario: Scenario
) -> dict[str, tuple[str, str, Any]]:
    """Return recipient → (rule, address, preferences; None for an unknown one), by the first rule that matches."""
    people = {r.id: r for r in scenario.recipients}
    audience: dict[str, tuple[str, str, Any]] = {}
    for rule in type_.audience:
        if rule.kind == "users":
            matches = [
                (name, ("users", people[name].address, people[name].preferences))
                if name in people
                else (name, ("users", "", None))
                for name in event["recipients"]
            ]
        elif rule.kind == "role":
            holders = sorted(r.id for r in scenario.recipients if rule.role in r.roles)
            matches = [(name, ("role", people[name].address, people[name].preferences)) for name in holders]
        elif rule.kind == "group":
            lists = [
                g.addresses.get(type_.name, ())
                for g in scenario.groups
                if g.external_id == event["external_id"]
            ]
            matches = [(address_pseudonym(a), ("group", a, {})) for addresses in lists for a in addresses]
        else:
            matches = [
                (c.uuid, ("account", c.email, c.preferences))
                for c in scenario.contacts
                if c.account == event["account"]
            ]
        for recipient, match in matches:
            audience.setdefault(recipient, match)
    return audience


def _decisions(
    event: dict[str, Any], type_: NotificationType, audience: dict[str, tuple[str, str, Any]]
) -> dict[tuple[str, str], Answer]:
    """Return (recipient, channel) → the decision; `on` for a delivery that is to be made."""
    actor = event.get("actor") or (event["data"].get(type_.actor_field) if type_.actor_field else None)
    mailed: dict[str, bool] = {}
    decisions = {}
    for recipient, (rule, address, preferences) in audience.items():
        for channel in ["email"] if rule == "group" else list(type_.channels):
            if preferences is None:
                decision = ("skipped", "no_such_recipient")
            elif recipient == actor and not type_.notify_actor:
                decision = ("skipped", "own_action")
            elif channel == "email" and not address:
                decision = ("skipped", "no_address")
            elif "expires" in event:
                decision = ("expired", "past_deadline")
            elif (
                not type_.mandatory
                and (choice := preferences.get(f"{type_.name}:{channel}"))
                and not choice.on
            ):
                decision = ("skipped", "preference_off")
            else:
                decision = ("on", "")
            if channel == "email" and address:
                on = decision[0] == "on"
                if on and (mailed.get(address.lower()) or (rule == "group" and address.lower() in mailed)):
                    decision = ("skipped", "duplicate_address")
                mailed[address.lower()] = on or mailed.get(address.lower(), False)
            decisions[recipient, str(channel)] = decision
    return decisions


def _end(
    recipient: str,
    channel: str,
    event: dict[str, Any],
    type_: Any,
    scenario: Scenario,
    match: Any,
    newest: Any,
) -> Answer:
    """Return the last state of a delivery that is to be made, once every event was handled."""
    if event["id"] in scenario.withdrawn:
        return "withdrawn", "withdrawn_by_source"
    if channel == "inbox":
        return "delivered", ""
    if type_.supersede:
        _, key = newest[type_.name, event["data"]["lot_id"], recipient]
        if key != event_key(SOURCE, event["id"]):
            return "superseded", "newer_event"
    if match[1].lower() in scenario.suppressed and not type_.mandatory:
        return "suppressed", "suppressed_address"
    if type_.digest and type_.digest.frequency != "instant":
        return "held", "digest"
    return "sent", ""


def _why_nothing(
    recipient: str,
    channel: str,
    event: dict[str, Any],
    type_: NotificationType,
    scenario: Scenario,
    audience: dict[str, Any],
) -> str:
    """Return the reason why no delivery is made for a recipient."""
    if channel not in type_.channels:
        return "channel_not_in_type"
    if recipient in audience:
        return "address_only"
    if {rule.kind for rule in type_.audience} == {"group"}:
        return "not_in_group"
    contacts = {c.uuid for c in scenario.contacts if c.account == event["account"]}
    if recipient not in {r.id for r in scenario.recipients} | contacts and not is_pseudonym(recipient):
        return "no_such_recipient"
    return "not_in_audience"


def explained_answer(document: dict[str, Any], recipient: str, channel: str) -> Answer:
    """Return the one answer of an `explain` document for a recipient and a channel."""
    (event,) = document["events"]
    answers = [
        (d["state"], d["reason"])
        for d in event["deliveries"]
        if (d["recipient"], d["channel"]) == (recipient, channel)
    ]
    answers += [
        ("nothing", one["reason"])
        for one in event["not_made"]
        if (one["recipient"], one["channel"]) == (recipient, channel)
    ]
    (answer,) = answers
    return str(answer[0]), str(answer[1])
