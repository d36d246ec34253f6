"""Counts and checksums of everything in Redis, one per table; a checksum does not depend on any order.

Two Redis with the same counts and checksums hold the same rows, the same inboxes with their read marks, and the same
deliveries with their states. The history of a delivery and the owner of a claim are not part of it: Kafka does not have
them.
"""

import re
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import Any

from service.adapters.redis.client import Store
from service.adapters.redis.script_batch import Command
from service.adapters.redis.tables.rows import is_current
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
# letter of the hash tag and suffix of a key → its table, the command that reads it
_TABLE_OF: Mapping[tuple[str, str], tuple[str, str]] = {
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
    """Return the count and checksum of every table. Raise Unavailable.

    Reads all of Redis, a few keys at a time, and needs some 100 bytes of memory a key.
    """
    rows: defaultdict[str, int] = defaultdict(int)
    checksums: defaultdict[str, int] = defaultdict(int)
    seen: set[int] = set()  # SCAN may return a key twice
    async for names in _scan(store):
        new = [
            (name, *key_table)
            for name in names
            if (key_table := _table_of(name, store)) and _is_new(name, seen)
        ]
        for start in range(0, len(new), _KEYS_A_CALL):
            part = new[start : start + _KEYS_A_CALL]
            replies = await store.pipeline([_read(name, command) for name, _, command in part])
            for (name, table_of_key, _), reply in zip(part, replies, strict=True):
                for table, content in _rows(table_of_key, reply):
                    rows[table] += 1
                    checksums[table] += _hash(f"{table}\0{_tag(name, table)}\0".encode() + content)
    return [TableCount(table, rows[table], f"{checksums[table] % 2**64:016x}") for table in TABLES]


async def holds_rows(store: Store) -> bool:
    """Return whether there is any row, inbox entry or delivery. Raise Unavailable."""
    async for names in _scan(store):
        if any(_table_of(name, store) for name in names):
            return True
    return False


async def _scan(store: Store) -> AsyncIterator[Sequence[str]]:
    async for names in store.scan_keys("*"):
        yield [name.decode(errors="surrogateescape") for name in names]


def _table_of(name: str, store: Store) -> tuple[str, str] | None:
    """Return the table of a key, and the command that reads it; None for a key that belongs to no table."""
    match = _KEY.fullmatch(name[len(store.keys.prefix) :])
    if match is None:
        return None
    tag_letter, suffix = match[1], match[3] or ""
    if tag_letter == "e" and _LEDGER_SHARD.fullmatch(suffix):
        suffix = ""
    return _TABLE_OF.get((tag_letter, suffix))


def _tag(name: str, table: str) -> str:
    """Return what a key adds to the hash of its rows.

    Only the hash tag, so that an event counts the same whether or not it is sharded; nothing for the due set, whose
    shards are no part of a delivery.
    """
    tag = name[name.rfind("{") + 1 : name.rfind("}")]
    return "" if table == "due" else tag


def _read(name: str, command: str) -> Command:
    key = name.encode(errors="surrogateescape")
    return (command, key, 0, -1) if command == "ZRANGE" else (command, key)


def _rows(table: str, reply: Any) -> Iterator[tuple[str, bytes]]:
    """Yield the rows under one key, each with its table; an event's ledger also has the event's withdrawal."""
    match table:
        case "contacts" | "api-keys":
            yield from ((table, row) for row in reply.values())
        case "inbox":
            yield from ((table, item + b"\0" + entry) for item, entry in reply.items())
        case "ledger":
            yield from ((table, _delivery(i, row)) for i, row in reply.items() if not i.startswith(b"@"))
            if withdrawn := reply.get(b"@x"):
                yield "withdrawals", withdrawn
        case "due":
            yield from ((table, delivery) for delivery in reply)
        case (
            "soft-bounces"
        ):  # the score and its time: the log does not have the deliveries that counted today
            yield table, b"\t".join(reply.split(b"\t")[:2])
        case _ if is_current(reply):
            yield table, reply


def _delivery(delivery: bytes, row: bytes) -> bytes:
    """Return a delivery's recipient, channel and state; while it is open, not its reason."""
    state, reason, _ = row.split(b"\t", 2)
    recipient = b"\t".join(row[row.rfind(b"\n") + 1 :].split(b"\t", 2)[:2])
    if is_open(State(state.decode())):
        state, reason = (b"queued" if state == b"sending" else state), b""
    return b"\0".join((delivery, recipient, state, reason))


def _is_new(name: str, seen: set[int]) -> bool:
    name_hash = _hash(name.encode(errors="surrogateescape"))
    if name_hash in seen:
        return False
    seen.add(name_hash)
    return True


def _hash(content: bytes) -> int:
    return int.from_bytes(blake2b(content, digest_size=8).digest(), "big")
