"""The four mixes: events, the rows that they need, and the deliveries that follow."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path

import orjson

from bench import cases
from service.bootstrap.parts import Parts
from service.model.recipient import Recipient
from service.settings import templates_directory

USERS = 2_000
FAN_OUT = 1_000
_ONE, _MANY = "deposit_received", "capacity_fan_out"
_CATALOGUE = """\
[capacity_fan_out]
title = "Deposit received"
description = "A type of the capacity measurement: as deposit_received, in the lane of campaigns"
audience = [{ kind = "users" }]
channels = ["email", "inbox"]
lane = "bulk"
ttl = 345_600
sample = { recipients = ["alice"], data = { lot_id = "1" } }
[capacity_fan_out.meta]
lot_id = { description = "the lot" }
"""

Event = tuple[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Mix:
    """One kind of traffic. `inbox` and `email`: the deliveries of an event by channel."""

    name: str
    inbox: int
    email: int
    event: Callable[[str, int], Event]

    @property
    def deliveries(self) -> int:
        """Return the deliveries of an event."""
        return self.inbox + self.email

    def events(self, run: str, deliveries: int) -> list[Event]:
        """Return key and value of the events that make at least so many deliveries."""
        return [self.event(run, i) for i in range(-(-deliveries // self.deliveries))]


def _users_event(type_: str, recipients: list[str], run: str, i: int) -> Event:
    fields = {
        "specversion": "1.0",
        "id": cases.event_id(run, i),
        "source": cases.SOURCE,
        "type": type_,
        "time": datetime.now(UTC).isoformat(),
        "datacontenttype": "application/json",
        "recipients": recipients,
        "data": {"lot_id": f"LOT-{i}"},
    }
    return f"lot-{i}".encode(), orjson.dumps(fields)


def _both(run: str, i: int) -> Event:
    return _users_event(_ONE, [f"user-{i % USERS}"], run, i)


def _fan_out(run: str, i: int) -> Event:
    recipients = [f"user-{(i * FAN_OUT + n) % USERS}" for n in range(FAN_OUT)]
    return _users_event(_MANY, recipients, run, i)


MIXES: Mapping[str, Mix] = {
    mix.name: mix
    for mix in (
        Mix("inbox", 1, 0, cases.CASES[0].event),
        Mix("email", 0, 1, cases.CASES[1].event),
        Mix("both", 1, 1, _both),
        Mix("fan_out", FAN_OUT, FAN_OUT, _fan_out),
    )
}
DEFAULT_SHARES: Mapping[str, float] = {"inbox": 0.25, "email": 0.25, "both": 0.35, "fan_out": 0.15}
"""Of the deliveries, by mix. An assumption, since it depends on the product that notifies: set your own."""


def interleaved(parts: list[list[Event]]) -> list[Event]:
    """Return the events of several mixes spread evenly over each other."""
    longest = max(map(len, parts))
    placed: list[tuple[float, Event]] = []
    for events in parts:
        step = longest / max(1, len(events))
        placed += [(i * step, event) for i, event in enumerate(events)]
    return [event for _, event in sorted(placed, key=lambda pair: pair[0])]


async def seed(parts: Parts) -> None:
    """Fill the tables: the rows of the pipeline benchmark, and a recipient for each user."""
    domains = cycle(f"mail{n}.example.com" for n in range(100))
    rows = [
        Recipient(id=f"user-{n}", address=f"user{n}@{next(domains)}", name=f"User {n}", version=1)
        for n in range(USERS)
    ]
    for start in range(0, USERS, 500):
        await parts.writes.put_recipients(rows[start : start + 500])
    await cases.seed(parts)


def inbox_recipients() -> Iterator[str]:
    """Yield the recipients whose inboxes are filled."""
    yield from cases.contact_ids()
    yield from (f"user-{n}" for n in range(USERS))


def write_templates(directory: Path) -> Path:
    """Return a copy of the packaged templates with the type of the fan-out mix."""
    copy = directory / "templates"
    shutil.copytree(templates_directory(), copy)
    shutil.copytree(copy / _ONE, copy / _MANY)
    (copy / "catalogue" / "capacity.toml").write_text(_CATALOGUE)
    return copy
