"""A pipeline over fakes at noon of a Monday, with types whose mail waits, and one recipient."""

import copy
import copyreg
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any
from unittest.mock import patch

from service.model.catalogue import Catalogue, NotificationType
from service.model.ids import delivery_id, event_key
from service.model.recipient import Recipient
from service.pipeline.email.allowances import Allowances
from service.pipeline.rebuild.rebuilder import Rebuilder, RebuildPorts
from service.pipeline.tables.writer import TableStores
from tests.fakes.credentials import FakeAccounts, FakeApiKeys
from tests.fakes.pending_retries import FakePendingRetries
from tests.support.catalogues import small_catalogue
from tests.support.fake_pipeline import TOPICS, FakePipeline

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
NOON = 1_796_040_000_000
"""2026-11-30 12:00 UTC, a Monday."""
TYPES: dict[str, dict[str, Any]] = {
    "plain": {},
    "urgent": {"lane": "high"},
    "must": {"mandatory": True},
    "news": {"digest": {"group": "bids", "key": "{lot_id}"}, "meta": {"lot_id": {"required": False}}},
    "batched": {"digest": {"group": "bids", "wait": 600}},
    "capped": {"limit": {"hour": 2}},
    "dropped": {"limit": {"hour": 1, "over": "skip"}},
    "unread_first": {"mail_if_unread": 900},
    "nagging": {"reminders": {"every": 3600, "most": 2}},
    "office": {"schedule": {"at": "09:00", "days": ["mon", "tue"]}},
    "later": {"schedule": {"delay": 1800}},
}


def catalogue() -> Catalogue:
    """Return the small catalogue with the types above."""
    base = {
        "domain": "test",
        "title": "t",
        "description": "",
        "audience": ({"kind": "users"},),
        "channels": ("email", "inbox"),
        "retention": 30 * 86_400,
    }
    types = {
        name: NotificationType.model_validate(base | {"name": name} | own) for name, own in TYPES.items()
    }
    return Catalogue({one.name: one for one in small_catalogue()} | types)


_EMPTY: Mapping[str, Any] = {}


class HeldPipeline(FakePipeline):
    """A pipeline at noon of a Monday, with one recipient."""

    def __init__(self) -> None:
        super().__init__()
        self.catalogue = catalogue()
        self.clock.now = NOON
        self.build("worker-1")
        self.offsets: dict[str, int] = {}

    async def recipient(self, **fields: Any) -> None:
        """Write alice's row."""
        row = {"id": "alice", "address": "alice@example.com", "version": self.clock.now_ms()}
        await self.tables.put_recipients([Recipient.model_validate(row | fields)])

    async def notify(self, type_name: str, number: int = 1, **fields: Any) -> None:
        """Publish an event for alice, and run all stages on what is new."""
        event = {"id": f"{type_name}-{number}", "type": type_name, "recipients": ["alice"], "data": {}}
        await self.ingest(event | fields)
        await self.work()

    async def work(self) -> None:
        """Dispatch what is due, and run the stages until nothing is new."""
        while True:
            dispatched = await self.schedule.run_once()
            ran = 0
            for topic, handler in (
                ("dispatch.inbox", self.deliver_inbox),
                ("dispatch.email.high", self.deliver_email),
                ("dispatch.email.normal", self.deliver_email),
            ):
                records = self.records(topic)[self.offsets.get(topic, 0) :]
                self.offsets[topic] = self.offsets.get(topic, 0) + len(records)
                ran += len(records)
                if records:
                    await self.run(handler, records)
            if not (dispatched or ran):
                return

    async def at(self, ms: int) -> None:
        """Let time pass until then, and work."""
        self.clock.now = ms
        await self.work()

    async def state(self, type_name: str, number: int = 1, channel: str = "email") -> tuple[str, str]:
        """Return state and reason of a delivery of alice."""
        return (await self.states(f"{type_name}-{number}"))["alice", channel]

    async def read(self, type_name: str, number: int = 1) -> None:
        """Mark alice's notification of an event as read."""
        id_ = delivery_id(event_key("/t", f"{type_name}-{number}"), "alice", "inbox")
        await self.inbox.mark_read("alice", [id_], self.clock.now_ms())

    def mails(self) -> list[str]:
        """Return the subjects of the messages that were sent, in order."""
        texts = [mail.content.decode() for mail in self.transport.accepted]
        return [text.split("Subject: ")[1].split("\r\n")[0] for text in texts]


def older_state(pipeline: HeldPipeline) -> Mapping[str, Any]:
    """Return the state of the Redis that a pipeline has now, for one that is behind when it is promoted."""
    with patch.dict(copyreg.dispatch_table, {MappingProxyType: lambda one: (MappingProxyType, (dict(one),))}):
        return copy.deepcopy({name: getattr(pipeline, name) for name in ("ledger", "due", "windows")})


async def rebuilt(lost: HeldPipeline, older: Mapping[str, Any] = _EMPTY) -> HeldPipeline:
    """Return a pipeline whose Redis was emptied, or is behind, and rebuilt from what the lost one has published."""
    fresh = HeldPipeline()
    vars(fresh).update(older)
    fresh.clock.now = lost.clock.now
    fresh.topics, fresh.offsets, fresh.tables = lost.topics, lost.offsets, lost.tables
    fresh.transport, fresh.allowance = lost.transport, lost.allowance
    fresh.build("worker-2")
    ports = RebuildPorts(
        stores=TableStores(fresh.tables, fresh.tables, FakeAccounts(), FakeApiKeys(), fresh.tables),
        inbox=fresh.inbox,
        ledger=fresh.ledger,
        restore=fresh.ledger,
        supersedes=fresh.supersedes,
        withdrawals=fresh.withdrawals,
        scores=fresh.scores,
        due=fresh.due,
        windows=fresh.windows,
        allowances=Allowances(fresh.catalogue, fresh.limits, fresh.allowance),
        notes=FakePendingRetries(),
        renderer=fresh.renderer,
        clock=fresh.clock,
    )
    committed = {(topic, 0): offset for topic, offset in fresh.offsets.items()}
    for phase in Rebuilder(fresh.catalogue, ports, TOPICS, committed).phases():
        records = [record for topic in phase.topics for record in fresh.records(topic)]
        if records and phase.name != "tables":
            await phase.apply(records)
    return fresh
