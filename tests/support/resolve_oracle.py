"""A second opinion: random tables and events, and what must become of them, worked out the slow and plain way.

Shares no code with the pipeline but ids and the catalogue's rows.
"""

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from service.model.catalogue import Catalogue, NotificationType
from service.model.ids import address_pseudonym, event_key, is_pseudonym
from service.model.recipient import Choice, Contact, Group, Recipient

SOURCE = "/random"
_BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
Answer = tuple[str, str]


@dataclass
class Town:
    """People, groups and accounts; events in the order in which they are published; who is withdrawn."""

    recipients: list[Recipient] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)
    contacts: list[Contact] = field(default_factory=list)
    suppressed: set[str] = field(default_factory=set)
    events: list[dict[str, Any]] = field(default_factory=list)
    withdrawn: set[str] = field(default_factory=set)

    @property
    def everybody(self) -> list[str]:
        """All who might be asked about, also those that are in no table."""
        listed = {a for g in self.groups for addresses in g.addresses.values() for a in addresses}
        return [
            *(r.id for r in self.recipients),
            *(c.uuid for c in self.contacts),
            *sorted(address_pseudonym(a) for a in listed),
            "ghost",
            "nobody",
        ]


def town(catalogue: Catalogue, seed: int, events: int) -> Town:
    """Always the same for a seed."""
    rng = random.Random(seed)
    keys = [f"{row.name}:{channel}" for row in catalogue for channel in row.channels]
    made = Town()
    addresses = [f"p{n}@example.com" for n in range(8)]

    def choices() -> dict[str, Choice]:
        picked = rng.sample(keys, k=min(len(keys), rng.randrange(6)))
        return {key: Choice(on=rng.random() < 0.3, since_ms=5) for key in picked}

    for n in range(10):
        roles = tuple(role for role in ("admin", "user") if rng.random() < 0.3)
        address = rng.choice([*addresses, "", "P1@Example.com"])
        made.recipients.append(
            Recipient(id=f"r{n}", address=address, roles=roles, preferences=choices(), version=1)
        )
    group_types = [row.name for row in catalogue if any(a.kind == "group" for a in row.audience)]
    for external_id in ("g1", "g2"):
        lists = {name: tuple(rng.sample(addresses, k=rng.randrange(4))) for name in group_types}
        made.groups.append(Group(external_id=external_id, addresses=lists, version=1))
    for n in range(4):
        account = f"a{n % 2}"
        made.contacts.append(
            Contact(
                uuid=f"c{n}", account=account, email=rng.choice(addresses), preferences=choices(), version=1
            )
        )
    made.suppressed = {rng.choice(addresses)}
    made.events = [_event(rng, n, rng.choice(list(catalogue))) for n in range(events)]
    made.withdrawn = {e["id"] for e in made.events if rng.random() < 0.1}
    return made


def _event(rng: random.Random, n: int, row: NotificationType) -> dict[str, Any]:
    data = dict(row.sample.get("data", {})) or {
        name: "v" for name, meta in row.meta.items() if meta.type == "string"
    }
    if "lot_id" in data:
        data["lot_id"] = rng.choice("12")
    event: dict[str, Any] = {
        "id": f"n{n}", "source": SOURCE, "type": row.name, "data": data,
        "time": (_BEGIN + timedelta(seconds=rng.randrange(100))).isoformat(),
        "recipients": rng.sample([*(f"r{i}" for i in range(10)), "ghost"], k=rng.randrange(5)),
        "external_id": rng.choice(["g1", "g2", "g3"]), "account": rng.choice(["a0", "a1", "a2"]),
    }  # fmt: skip
    if rng.random() < 0.3:
        event["actor"] = f"r{rng.randrange(10)}"
    if rng.random() < 0.1:
        event["expires"] = "2020-01-01T00:00:00Z"
    return event


def answers(of: Town, catalogue: Catalogue) -> dict[tuple[str, str, str], Answer]:
    """(event id, who, channel) → (state or "nothing", reason), for everybody and every channel."""
    found = {event["id"]: _found(event, catalogue[event["type"]], of) for event in of.events}
    newest: dict[tuple[str, str, str], tuple[str, str]] = {}
    for event in of.events:
        if catalogue[event["type"]].supersede:
            for who in found[event["id"]]:
                key = (event["type"], event["data"]["lot_id"], who)
                at = (event["time"], event_key(SOURCE, event["id"]))
                newest[key] = max(newest.get(key, at), at)
    told = {}
    for event in of.events:
        row = catalogue[event["type"]]
        verdicts = _verdicts(event, row, found[event["id"]])
        for who in of.everybody:
            for channel in ("email", "inbox"):
                verdict = verdicts.get((who, channel))
                if verdict is None:
                    verdict = ("nothing", _why_nothing(who, channel, event, row, of, found[event["id"]]))
                elif verdict == ("on", ""):
                    verdict = _end(who, channel, event, row, of, found[event["id"]][who], newest)
                told[event["id"], who, channel] = verdict
    return told


def _found(event: dict[str, Any], row: NotificationType, of: Town) -> dict[str, tuple[str, str, Any]]:
    """who → (rule, address, preferences or None for somebody unknown), by the first rule that finds them."""
    people = {r.id: r for r in of.recipients}
    found: dict[str, tuple[str, str, Any]] = {}
    for rule in row.audience:
        if rule.kind == "users":
            more = [
                (who, ("users", people[who].address, people[who].preferences))
                if who in people
                else (who, ("users", "", None))
                for who in event["recipients"]
            ]
        elif rule.kind == "role":
            holders = sorted(r.id for r in of.recipients if rule.role in r.roles)
            more = [(who, ("role", people[who].address, people[who].preferences)) for who in holders]
        elif rule.kind == "group":
            lists = [
                g.addresses.get(row.name, ()) for g in of.groups if g.external_id == event["external_id"]
            ]
            more = [(address_pseudonym(a), ("group", a, {})) for addresses in lists for a in addresses]
        else:
            more = [
                (c.uuid, ("account", c.email, c.preferences))
                for c in of.contacts
                if c.account == event["account"]
            ]
        for who, what in more:
            found.setdefault(who, what)
    return found


def _verdicts(
    event: dict[str, Any], row: NotificationType, found: dict[str, tuple[str, str, Any]]
) -> dict[tuple[str, str], Answer]:
    actor = event.get("actor") or (event["data"].get(row.actor_field) if row.actor_field else None)
    taken: dict[str, str] = {}
    verdicts = {}
    for who, (rule, address, preferences) in found.items():
        for channel in ["email"] if rule == "group" else list(row.channels):
            if preferences is None:
                verdict = ("skipped", "no_such_recipient")
            elif who == actor and not row.notify_actor:
                verdict = ("skipped", "own_action")
            elif channel == "email" and not address:
                verdict = ("skipped", "no_address")
            elif channel == "email" and taken.setdefault(address.lower(), rule) != rule:
                verdict = ("skipped", "duplicate_address")
            elif "expires" in event:
                verdict = ("expired", "past_deadline")
            elif not row.mandatory and (choice := preferences.get(f"{row.name}:{channel}")) and not choice.on:
                verdict = ("skipped", "preference_off")
            else:
                verdict = ("on", "")
            verdicts[who, str(channel)] = verdict
    return verdicts


def _end(who: str, channel: str, event: dict[str, Any], row: Any, of: Town, how: Any, newest: Any) -> Answer:
    """What becomes of a delivery that is to be made, once everything has come."""
    if event["id"] in of.withdrawn:
        return "withdrawn", "withdrawn_by_source"
    if channel == "inbox":
        return "delivered", ""
    if row.supersede:
        _, key = newest[row.name, event["data"]["lot_id"], who]
        if key != event_key(SOURCE, event["id"]):
            return "superseded", "newer_event"
    if how[1].lower() in of.suppressed and not row.mandatory:
        return "suppressed", "suppressed_address"
    return "sent", ""


def _why_nothing(
    who: str, channel: str, event: dict[str, Any], row: NotificationType, of: Town, found: dict[str, Any]
) -> str:
    if channel not in row.channels:
        return "channel_not_in_type"
    if who in found:
        return "address_only"
    if {rule.kind for rule in row.audience} == {"group"}:
        return "not_in_group"
    contacts = {c.uuid for c in of.contacts if c.account == event["account"]}
    if who not in {r.id for r in of.recipients} | contacts and not is_pseudonym(who):
        return "no_such_recipient"
    return "not_in_audience"


def explained(document: dict[str, Any], who: str, channel: str) -> Answer:
    """What `explain` says of one recipient × channel."""
    (found,) = document["events"]
    said = [
        (d["state"], d["reason"])
        for d in found["deliveries"]
        if (d["recipient"], d["channel"]) == (who, channel)
    ]
    said += [
        ("nothing", one["reason"])
        for one in found["not_made"]
        if (one["recipient"], one["channel"]) == (who, channel)
    ]
    (answer,) = said
    return str(answer[0]), str(answer[1])
