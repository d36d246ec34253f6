"""What the API benchmark reads and marks: one large account, one large inbox and a thousand small ones."""

import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from itertools import cycle
from urllib.parse import quote

import jwt
import orjson
from argon2 import PasswordHasher

from service.adapters.redis.inbox.inbox import RedisInbox
from service.adapters.redis.tables.credentials import RedisAccounts
from service.bootstrap import Parts
from service.model.access import Account
from service.model.recipient import Choice, Contact
from service.ports import InboxItem

CONTACTS, CHOICES_A_CONTACT = 10_000, 2
PEOPLE, ENTRIES, LARGE = 1000, 80, 20_000
"""Small inboxes, the entries of each, and those of the large one, to which every fifth request goes."""

_TYPES = ("overbid", "overbid", "winner", "payment_approved")
_CHOICES = ("payment:email", "invoice_available:email")
_ACCOUNT, _PASSWORD = "acme", "bench-only"
_EPOCH_MS = 1_700_000_000_000
_PART = 5000
_BULK = 20
_CONTACTS = "/api/2.0/notification_contacts/"
_PREFERENCES = "/api/2.0/notification_preferences/"


async def fill(parts: Parts) -> None:
    """Write all of it, by the ports that the product writes by."""
    await parts.completeness.mark_complete()
    choice = Choice(on=False, since_ms=_EPOCH_MS, by="bench")
    rows = [
        Contact(
            uuid=f"{n:08x}-0000-4000-8000-000000000000",
            account=_ACCOUNT,
            email=f"contact{n}@example.com",
            name=f"Contact {n}",
            phone="+49 30 1234567",
            main=n == 0,
            preferences=dict.fromkeys(_CHOICES[:CHOICES_A_CONTACT], choice),
        )
        for n in range(CONTACTS)
    ]
    hashed = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash(_PASSWORD)
    await RedisAccounts(parts.store).put(Account(id=_ACCOUNT, credential=hashed))
    inbox = RedisInbox(parts.store, parts.clock, cap=LARGE)
    items = [_item(name, n) for name, count in _boxes() for n in range(count)]
    for start in range(0, max(len(rows), len(items)), _PART):
        await parts.writes.put_contacts(rows[start : start + _PART])
        await inbox.add(items[start : start + _PART])


def _boxes() -> list[tuple[str, int]]:
    return [("large", LARGE), *((f"user-{n}", ENTRIES) for n in range(PEOPLE))]


def _item(name: str, n: int) -> InboxItem:
    kind = _TYPES[n % len(_TYPES)]
    meta = {"lot_id": str(n), "auction_id": "4711"}
    return InboxItem(_id(name, n), name, kind, 0, _EPOCH_MS + n * 1000, meta, f"About {kind} {n}")


def _id(name: str, n: int) -> str:
    return f"{int(name.rpartition('-')[2]) if '-' in name else 0xFFFF:016x}{n:016x}"


class Requests:
    """Endless requests by case; nothing is marked read twice before everything has been."""

    def __init__(self, secret: str) -> None:
        expires = int(time.time()) + 3600
        self._tokens = {
            name: jwt.encode({"sub": name, "scope": "inbox", "aud": "tocsin", "exp": expires}, secret)
            for name, _ in _boxes()
        }
        self._basic = b64encode(f"{_ACCOUNT}:{_PASSWORD}".encode()).decode()

    def cases(self) -> dict[str, Iterator[bytes]]:
        """What is asked at the modest rate."""
        page = f"/notifications?{quote('page[size]')}=50"
        after = f"{page}&{quote('page[after]')}="
        return {
            "contacts": self._listed(lambda _: _CONTACTS),
            "contacts, limit 50, deep": self._listed(
                lambda n: f"{_CONTACTS}?limit=50&offset={CONTACTS // 2 + n * 97 % (CONTACTS // 2 - 50)}"
            ),
            "preferences": self._listed(lambda n: f"{_PREFERENCES}?limit=50&offset={n * 997 % CONTACTS}"),
            "counts": self.counts(),
            "notifications, first 50": (self._inbox("GET", page, name) for name, _ in _turns()),
            "notifications, 50 after a deep cursor": (
                self._inbox("GET", after + _cursor(LARGE // 2 + n * 97 % (LARGE // 2 - 50)), "large")
                for n in cycle(range(LARGE))
            ),
            "mark one": (
                self._inbox("DELETE", f"/notifications/{_id(name, n % _split(name))}", name)
                for name, n in _turns()
            ),
            f"mark {_BULK}": (self._bulk(name, n) for name, n in _turns()),
        }

    def counts(self) -> Iterator[bytes]:
        """GET /counts of everybody."""
        return (self._inbox("GET", "/counts", name) for name, _ in _turns())

    def every_contact(self) -> Iterator[bytes]:
        """All contacts in one answer."""
        return self._listed(lambda _: f"{_CONTACTS}?limit=0")

    def _listed(self, path: Callable[[int], str]) -> Iterator[bytes]:
        return (_request("GET", path(n), f"Basic {self._basic}") for n in cycle(range(CONTACTS)))

    def _inbox(self, method: str, path: str, name: str, body: bytes = b"") -> bytes:
        return _request(method, path, f"Bearer {self._tokens[name]}", body)

    def _bulk(self, name: str, n: int) -> bytes:
        """The entries that are not marked one by one, some at a time."""
        first, last = _split(name), LARGE if name == "large" else ENTRIES
        start = first + n * _BULK % (last - first)
        ids: Sequence[dict[str, str]] = [
            {"type": "notifications", "id": _id(name, i)} for i in range(start, start + _BULK)
        ]
        return self._inbox("POST", "/notifications", name, orjson.dumps({"data": ids}))


def _turns() -> Iterator[tuple[str, int]]:
    """Whose turn it is, and which of theirs."""
    turn = 0
    while True:
        for number in range(PEOPLE):
            yield f"user-{number}", turn
            if number % 4 == 3:
                yield "large", turn * (PEOPLE // 4) + number // 4
        turn += 1


def _split(name: str) -> int:
    """Entries before it are marked one by one, those from it on in bulk."""
    return LARGE // 4 if name == "large" else ENTRIES // 4


def _cursor(n: int) -> str:
    return f"{_EPOCH_MS + n * 1000}.{_id('large', n)}"


def _request(method: str, path: str, authorization: str, body: bytes = b"") -> bytes:
    kind = f"Content-Type: application/vnd.api+json\r\nContent-Length: {len(body)}\r\n" if body else ""
    accept = "application/json" if path.startswith("/api/") else "application/vnd.api+json"
    head = f"{method} {path} HTTP/1.1\r\nHost: bench.test\r\nAccept: {accept}\r\n{kind}"
    return f"{head}Authorization: {authorization}\r\n\r\n".encode() + body
