"""The windows of digests in memory."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from service.model.delivery import Delivery
from service.model.holds.digest import DigestItem
from service.ports import DigestContent, DigestPlace
from tests.fakes.outage import Outage

MOST_ITEMS, MOST_BYTES = 1000, 1024 * 1024


@dataclass
class Window:
    """A digest's items, and whether it takes more of them."""

    opened_ms: int
    due_ms: int
    name: str
    open: bool = True
    items: dict[str, Delivery] = field(default_factory=dict)

    def is_full(self, more: Delivery) -> bool:
        size = sum(len(item.to_bytes()) for item in (*self.items.values(), more))
        return len(self.items) >= MOST_ITEMS or size > MOST_BYTES


class FakeDigestWindows:
    """Implements the DigestWindows port. `windows`: by recipient and digest."""

    def __init__(self) -> None:
        self.outage = Outage()
        self.windows: dict[tuple[str, str], Window] = {}

    async def add(self, items: Sequence[DigestItem]) -> Sequence[DigestPlace]:
        self.outage.check()
        return [self._add(item) for item in items]

    async def seal(self, digests: Sequence[Delivery]) -> Sequence[int]:
        self.outage.check()
        names = [(digest.recipient, digest.id) for digest in digests]
        for name in names:
            if window := self.windows.get(name):
                window.open = False
        return await self.sizes(names)

    async def content(self, digests: Sequence[tuple[str, str]]) -> Sequence[DigestContent | None]:
        self.outage.check()
        return [
            DigestContent(
                window.opened_ms, sorted(window.items.values(), key=lambda item: (item.received_ms, item.id))
            )
            if (window := self.windows.get(name))
            else None
            for name in digests
        ]

    async def sizes(self, digests: Sequence[tuple[str, str]]) -> Sequence[int]:
        self.outage.check()
        return [len(window.items) if (window := self.windows.get(name)) else 0 for name in digests]

    async def digests_of(self, items: Sequence[tuple[str, str]]) -> Sequence[str]:
        self.outage.check()
        return [
            next(
                (
                    digest
                    for (owner, digest), window in self.windows.items()
                    if owner == recipient and item in window.items
                ),
                "",
            )
            for recipient, item in items
        ]

    async def restore(self, digest: Delivery, window: str, items: Sequence[Delivery], due_ms: int) -> None:
        self.outage.check()
        other = self._open_one(digest.recipient, window)
        restored = self.windows.setdefault(
            (digest.recipient, digest.id), Window(digest.created_ms, due_ms, window, other is None)
        )
        if due_ms:
            restored.due_ms = due_ms
        else:
            restored.open = False
        for item in items:
            for (recipient, _), one in self.windows.items():
                if recipient == digest.recipient:
                    one.items.pop(item.id, None)
            restored.items[item.id] = item

    async def remove(self, digests: Sequence[tuple[str, str]]) -> None:
        self.outage.check()
        for name in digests:
            self.windows.pop(name, None)

    def _add(self, item: DigestItem) -> DigestPlace:
        delivery, recipient = item.delivery, item.delivery.recipient
        for (owner, id_), window in self.windows.items():
            if owner == recipient and delivery.id in window.items:
                return DigestPlace(id_, window.opened_ms, window.due_ms, id_ == item.digest.id)
        name, due_ms = self._open_one(recipient, item.window), item.due_ms
        if name is None or self.windows[name].is_full(delivery):
            if name is not None:
                due_ms = self.windows[name].due_ms
                self.windows[name].open = False
            name = recipient, item.digest.id
            self.windows[name] = Window(item.digest.created_ms, due_ms, item.window)
        window = self.windows[name]
        window.items[delivery.id] = delivery
        return DigestPlace(name[1], window.opened_ms, window.due_ms, name[1] == item.digest.id)

    def _open_one(self, recipient: str, window: str) -> tuple[str, str] | None:
        for name, one in self.windows.items():
            if name[0] == recipient and one.name == window and one.open:
                return name
        return None
