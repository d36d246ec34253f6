"""The windows of digests in memory."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from service.model.delivery import Delivery
from service.model.digest import DigestItem
from service.ports import DigestContent, DigestPlace
from tests.fakes.outage import Outage


@dataclass
class _Window:
    key: tuple[str, str]
    opened_ms: int
    due_ms: int
    sealed: bool = False
    items: dict[str, Delivery] = field(default_factory=dict)


class FakeDigestWindows:
    """Implements the DigestWindows port."""

    def __init__(self) -> None:
        self.outage = Outage()
        self.windows: dict[str, _Window] = {}

    async def add(self, items: Sequence[DigestItem]) -> Sequence[DigestPlace]:
        self.outage.check()
        places = []
        for item in items:
            key = (item.delivery.recipient, item.window)
            own = [
                (id_, w)
                for id_, w in self.windows.items()
                if w.key[0] == key[0] and item.delivery.id in w.items
            ]
            open_ = [(id_, w) for id_, w in self.windows.items() if w.key == key and not w.sealed]
            if own:
                id_, window = own[0]
            elif open_:
                id_, window = open_[0]
            else:
                id_ = item.digest.id
                window = self.windows[id_] = _Window(key, item.digest.received_ms, item.due_ms)
            window.items.setdefault(item.delivery.id, item.delivery)
            places.append(DigestPlace(id_, window.opened_ms, window.due_ms, id_ == item.digest.id))
        return places

    async def seal(self, digests: Sequence[Delivery]) -> Sequence[DigestContent | None]:
        self.outage.check()
        for digest in digests:
            if digest.id in self.windows:
                self.windows[digest.id].sealed = True
        return [self._content(digest.id) for digest in digests]

    async def content(self, digests: Sequence[tuple[str, str]]) -> Sequence[DigestContent | None]:
        self.outage.check()
        return [self._content(id_) for _, id_ in digests]

    async def restore(self, digest: Delivery, window: str, items: Sequence[Delivery], due_ms: int) -> None:
        self.outage.check()
        key = (digest.recipient, window)
        own = self.windows.setdefault(digest.id, _Window(key, digest.received_ms, due_ms))
        own.items.update({item.id: item for item in items})
        others = [w for id_, w in self.windows.items() if w.key == key and not w.sealed and id_ != digest.id]
        own.sealed = own.sealed or not due_ms or bool(others)

    async def remove(self, digests: Sequence[tuple[str, str]]) -> None:
        self.outage.check()
        for _, id_ in digests:
            self.windows.pop(id_, None)

    def _content(self, id_: str) -> DigestContent | None:
        window = self.windows.get(id_)
        return DigestContent(window.opened_ms, list(window.items.values())) if window else None
