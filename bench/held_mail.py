"""The mail of the benchmark of holds: its types, its recipients, and events that are due at a time of their own."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex

import orjson

from bench.cases import SOURCE, Case, event_id
from service.bootstrap.parts import Parts
from service.model.recipient import Recipient
from service.settings import templates_directory

MAIL, ITEM, LIMITED, ROOMY = "held_mail", "held_item", "held_limited", "held_roomy"
_TEXTS_OF = "deposit_received"
_TYPE = """\
[{name}]
title = "Deposit received"
description = "A type of the benchmark"
audience = [{{ kind = "users" }}]
channels = ["email"]
ttl = 345_600
notify_actor = true
{rule}
sample = {{ recipients = ["alice"], data = {{ lot_id = "1" }} }}
[{name}.meta]
lot_id = {{ description = "the lot" }}
"""
_ROWS, _CHUNK, _DOMAINS = 5_000, 50_000, 100


@dataclass(frozen=True, slots=True)
class HeldCase(Case):
    """Events for recipients in turn.

    `due_ms`: when the first is due, 0 for at once; each other one is due `step_ms` after the one before it.
    """

    prefix: str = "one"
    recipients: int = 1
    due_ms: int = 0
    step_ms: float = 0.0

    def event(self, run: str, i: int) -> tuple[bytes, bytes]:
        """Return key and value of an event."""
        recipient = recipient_id(self.prefix, i % self.recipients)
        fields = {
            "specversion": "1.0",
            "id": event_id(run, i),
            "source": SOURCE,
            "type": self.type,
            "time": datetime.now(UTC).isoformat(),
            "datacontenttype": "application/json",
            "recipients": [recipient],
            "data": {"lot_id": f"LOT-{i}"},
        }
        if self.due_ms:
            fields["deliverat"] = datetime.fromtimestamp(self.due(i) / 1000, UTC).isoformat()
        return recipient.encode(), orjson.dumps(fields)

    def due(self, i: int) -> int:
        """Return when the mail of an event is due (ms)."""
        return self.due_ms + int(i * self.step_ms)

    def chunks(self, run: str, count: int) -> Iterator[list[tuple[bytes, bytes]]]:
        """Yield the events in parts, which fit into memory."""
        for start in range(0, count, _CHUNK):
            yield [self.event(run, i) for i in range(start, min(count, start + _CHUNK))]


def recipient_id(prefix: str, n: int) -> str:
    """Return the id of a recipient."""
    return f"{prefix}-{n:07}"


async def seed_recipients(parts: Parts, prefix: str, recipients: int) -> None:
    """Write the rows of recipients."""
    for start in range(0, recipients, _ROWS):
        rows = [
            Recipient(
                id=recipient_id(prefix, n),
                address=f"{prefix}{n}@mail{n % _DOMAINS}.example.com",
                name=f"User {n}",
                version=1,
            )
            for n in range(start, min(recipients, start + _ROWS))
        ]
        await parts.writes.put_recipients(rows)


def write_templates(directory: Path, wait_s: int, *, limits: bool) -> Path:
    """Return a copy of the packaged templates with the types of this benchmark; `wait_s`: of digests."""
    rules = {MAIL: "", ITEM: f'digest = {{ group = "held", wait = {wait_s} }}'}
    if limits:
        rules |= {LIMITED: "limit = { hour = 1 }", ROOMY: "limit = { hour = 100_000 }"}
    copy = directory / f"templates-{token_hex(4)}"
    shutil.copytree(templates_directory(), copy)
    for name in rules:
        shutil.copytree(copy / _TEXTS_OF, copy / name)
    catalogue = "".join(_TYPE.format(name=name, rule=rule) for name, rule in rules.items())
    (copy / "catalogue" / "held.toml").write_text(catalogue)
    return copy
