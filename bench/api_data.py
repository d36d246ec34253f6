"""The data of the API benchmark, and its requests: a large account, a large inbox and a thousand small ones."""

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
from service.bootstrap.parts import Parts
from service.model.access import Account
from service.model.recipient import Choice, Contact
from service.ports import InboxItem

CONTACTS, CHOICES_PER_CONTACT = 10_000, 2
RECIPIENTS, ENTRIES, LARGE = 1000, 80, 20_000
"""Number of small inboxes, entries in each, and entries in the large one, which gets every fifth request."""

_TYPES = ("overbid", "overbid", "winner", "payment_approved")
_CHOICES = ("payment:email", "invoice_available:email")
_ACCOUNT, _PASSWORD = "acme", "bench-only"
_EPOCH_MS = 1_700_000_000_000
_ROWS_PER_WRITE = 5000
_BULK = 20
_CONTACTS = "/api/2.0/notification_contacts/"
_PREFERENCES = "/api/2.0/notification_preferences/"


async def fill(parts: Parts) -> None:
    """Write all data through the ports that the product writes through."""
    await parts.completeness.mark_incomplete("the benchmark fills it")
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
            preferences=dict.fromkeys(_CHOICES[:CHOICES_PER_CONTACT], choice),
        )
        for n in range(CONTACTS)
    ]
    hashed = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash(_PASSWORD)
    await RedisAccounts(parts.store).put(Account(id=_ACCOUNT, credential=hashed))
    inbox = RedisInbox(parts.store, parts.clock, cap=LARGE)
    items = [_item(name, n) for name, count in _inboxes() for n in range(count)]
    for start in range(0, max(len(rows), len(items)), _ROWS_PER_WRITE):
        await parts.writes.put_contacts(rows[start : start + _ROWS_PER_WRITE])
        await inbox.add(items[start : start + _ROWS_PER_WRITE])


def _inboxes() -> list[tuple[str, int]]:
    return [("large", LARGE), *((f"user-{n}", ENTRIES) for n in range(RECIPIENTS))]


def _item(name: str, n: int) -> InboxItem:
    type_ = _TYPES[n % len(_TYPES)]
    meta = {"lot_id": str(n), "auction_id": "4711"}
    return InboxItem(_id(name, n), name, type_, 0, _EPOCH_MS + n * 1000, meta, f"About {type_} {n}")


def _id(name: str, n: int) -> str:
    return f"{int(name.rpartition('-')[2]) if '-' in name else 0xFFFF:016x}{n:016x}"


class Requests:
    """Endless requests by case. An entry is marked read again only after all others have been."""

    def __init__(self, secret: str) -> None:
        expires = int(time.time()) + 3600
        self._tokens = {
            name: jwt.encode({"sub": name, "scope": "inbox", "aud": "tocsin", "exp": expires}, secret)
            for name, _ in _inboxes()
        }
        self._basic = b64encode(f"{_ACCOUNT}:{_PASSWORD}".encode()).decode()

    def cases(self) -> dict[str, Iterator[bytes]]:
        """Return the requests of the cases that run at the lower rate."""
        page = f"/notifications?{quote('page[size]')}=50"
        after = f"{page}&{quote('page[after]')}="
        return {
            "contacts": self._account_requests(lambda _: _CONTACTS),
            "contacts, limit 50, deep": self._account_requests(
                lambda n: f"{_CONTACTS}?limit=50&offset={CONTACTS // 2 + n * 97 % (CONTACTS // 2 - 50)}"
            ),
            "preferences": self._account_requests(
                lambda n: f"{_PREFERENCES}?limit=50&offset={n * 997 % CONTACTS}"
            ),
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
        """Return GET /counts for all recipients in turn."""
        return (self._inbox("GET", "/counts", name) for name, _ in _turns())

    def all_contacts(self) -> Iterator[bytes]:
        """Return requests for all contacts in one response each."""
        return self._account_requests(lambda _: f"{_CONTACTS}?limit=0")

    def _account_requests(self, path: Callable[[int], str]) -> Iterator[bytes]:
        return (_request("GET", path(n), f"Basic {self._basic}") for n in cycle(range(CONTACTS)))

    def _inbox(self, method: str, path: str, name: str, body: bytes = b"") -> bytes:
        return _request(method, path, f"Bearer {self._tokens[name]}", body)

    def _bulk(self, name: str, n: int) -> bytes:
        """Return a request that marks some of the entries which are not marked one by one."""
        first, last = _split(name), LARGE if name == "large" else ENTRIES
        start = first + n * _BULK % (last - first)
        ids: Sequence[dict[str, str]] = [
            {"type": "notifications", "id": _id(name, i)} for i in range(start, start + _BULK)
        ]
        return self._inbox("POST", "/notifications", name, orjson.dumps({"data": ids}))


def _turns() -> Iterator[tuple[str, int]]:
    """Yield the recipient of each request, and the number of its request."""
    turn = 0
    while True:
        for number in range(RECIPIENTS):
            yield f"user-{number}", turn
            if number % 4 == 3:
                yield "large", turn * (RECIPIENTS // 4) + number // 4
        turn += 1


def _split(name: str) -> int:
    """Return the first entry that is marked in bulk; those before it are marked one by one."""
    return LARGE // 4 if name == "large" else ENTRIES // 4


def _cursor(n: int) -> str:
    return f"{_EPOCH_MS + n * 1000}.{_id('large', n)}"


def _request(method: str, path: str, authorization: str, body: bytes = b"") -> bytes:
    headers = f"Content-Type: application/vnd.api+json\r\nContent-Length: {len(body)}\r\n" if body else ""
    accept = "application/json" if path.startswith("/api/") else "application/vnd.api+json"
    head = f"{method} {path} HTTP/1.1\r\nHost: bench.test\r\nAccept: {accept}\r\n{headers}"
    return f"{head}Authorization: {authorization}\r\n\r\n".encode() + body
