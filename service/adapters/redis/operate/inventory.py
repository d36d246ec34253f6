"""What Redis holds, counted, with a checksum a table that does not depend on any order.

Two Redis with the same sums hold the same rows, inboxes with what was read of them, and deliveries with where they
stand. How a delivery came to stand there is not part of it, nor is who is just sending it: Kafka does not tell these.
"""

import re
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import Any

from service.adapters.redis.client import Command, Store
from service.adapters.redis.tables.table_rows import stands
from service.model.ledger import State, is_open
from service.ports import TableCount

TABLES = (
    "recipients",
    "groups",
    "contacts",
    "accounts",
    "api-keys",
    "suppressions",
    "unsubscribes",
    "inbox",
    "ledger",
    "withdrawals",
    "soft-bounces",
    "due",
)
_KEYS_A_CALL = 100
_KINDS: Mapping[
    tuple[str, str], tuple[str, str]
] = {  # letter and suffix of a key → its table, how it is read
    ("r", "row"): ("recipients", "GET"),
    ("g", "row"): ("groups", "GET"),
    ("c", "credential"): ("accounts", "GET"),
    ("x", "suppressed"): ("suppressions", "GET"),
    ("x", "soft"): ("soft-bounces", "GET"),
    ("v", "events:withdrawn"): ("withdrawals", "GET"),
    ("n", "unsubscribed"): ("unsubscribes", "GET"),
    ("a", "contacts"): ("contacts", "HGETALL"),
    ("k", "keys"): ("api-keys", "HGETALL"),
    ("r", "inbox"): ("inbox", "HGETALL"),
    ("e", ""): ("ledger", "HGETALL"),
    ("d", "due"): ("due", "ZRANGE"),
}
_KEY = re.compile(r"\{([a-z])(?::(.*))?\}(?::(.*))?", re.DOTALL)
_LEDGER_SHARD = re.compile(r"[0-9a-f]{2}")


async def inventory(store: Store) -> list[TableCount]:
    """Every table. Reads all of Redis, a few keys at a time; remembers some 100 bytes a key. Raises Unavailable."""
    rows: defaultdict[str, int] = defaultdict(int)
    sums: defaultdict[str, int] = defaultdict(int)
    seen: set[int] = set()  # SCAN may show a key twice
    async for keys in _keys(store):
        fresh = [(name, *kind) for name in keys if (kind := _kind(name, store)) and _new(name, seen)]
        for start in range(0, len(fresh), _KEYS_A_CALL):
            part = fresh[start : start + _KEYS_A_CALL]
            replies = await store.pipeline([_read(name, how) for name, _, how in part])
            for (name, under, _), reply in zip(part, replies, strict=True):
                for table, content in _contents(under, reply):
                    rows[table] += 1
                    sums[table] += _hash(f"{table}\0{_owner(name, table)}\0".encode() + content)
    return [TableCount(table, rows[table], f"{sums[table] % 2**64:016x}") for table in TABLES]


async def holds_rows(store: Store) -> bool:
    """Whether there is any row, inbox entry or delivery. Raises Unavailable."""
    async for keys in _keys(store):
        if any(_kind(name, store) for name in keys):
            return True
    return False


async def _keys(store: Store) -> AsyncIterator[Sequence[str]]:
    escaped = re.sub(r"([\[\]*?^\\-])", r"\\\1", store.keys.prefix)
    async for names in store.scan(f"{escaped}*"):
        yield [name.decode(errors="surrogateescape") for name in names]


def _kind(name: str, store: Store) -> tuple[str, str] | None:
    found = _KEY.fullmatch(name[len(store.keys.prefix) :])
    if found is None:
        return None
    letter, suffix = found[1], found[3] or ""
    if letter == "e" and _LEDGER_SHARD.fullmatch(suffix):
        suffix = ""
    return _KINDS.get((letter, suffix))


def _owner(name: str, table: str) -> str:
    """What a row's key adds to its content. A delivery knows its event whether or not the event is sharded."""
    tag = name[name.rfind("{") + 1 : name.rfind("}")]
    return "" if table == "due" else tag


def _read(name: str, how: str) -> Command:
    key = name.encode(errors="surrogateescape")
    return (how, key, 0, -1) if how == "ZRANGE" else (how, key)


def _contents(table: str, reply: Any) -> Iterator[tuple[str, bytes]]:
    """The rows under one key, each with its table: an event's ledger also knows whether it was withdrawn."""
    match table:
        case "contacts" | "api-keys":
            yield from ((table, row) for row in reply.values())
        case "inbox":
            yield from ((table, item + b"\0" + entry) for item, entry in reply.items())
        case "ledger":
            yield from ((table, _delivery(i, row)) for i, row in reply.items() if not i.startswith(b"@"))
            if mark := reply.get(b"@x"):
                yield "withdrawals", mark
        case "due":
            yield from ((table, delivery) for delivery in reply)
        case _ if reply is not None and stands(reply):
            yield table, reply


def _delivery(delivery: bytes, row: bytes) -> bytes:
    """Who it is for, and where it stands; while it is open, not why."""
    state, reason, _ = row.split(b"\t", 2)
    person = b"\t".join(row[row.rfind(b"\n") + 1 :].split(b"\t", 2)[:2])
    if is_open(State(state.decode())):
        state, reason = (b"queued" if state == b"sending" else state), b""
    return b"\0".join((delivery, person, state, reason))


def _new(name: str, seen: set[int]) -> bool:
    mark = _hash(name.encode(errors="surrogateescape"))
    if mark in seen:
        return False
    seen.add(mark)
    return True


def _hash(content: bytes) -> int:
    return int.from_bytes(blake2b(content, digest_size=8).digest(), "big")
